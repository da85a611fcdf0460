"""The store against the provider's own dump: the same records, each with the very same JSON text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.exact import read_inside, read_object
from store import records
from store.database import Scope
from sync.providers import ENDPOINTS, SHAPES, provider_name

_ENDPOINTS = {endpoint.resource: endpoint for endpoint in ENDPOINTS}
_TOLD_AT = {
    (provider_name(endpoint.resource), endpoint.path): endpoint.resource
    for endpoint in ENDPOINTS
    if endpoint.inside is None
}


@dataclass(frozen=True, slots=True)
class Difference:
    """How a list here differs from the provider's: the ids of the records that do."""

    at_provider: int = 0
    in_store: int = 0
    missing: tuple[str, ...] = ()  # there, and not here, or held here to be gone
    extra: tuple[str, ...] = ()  # here, and not there
    stale: tuple[str, ...] = ()  # in both, with another text

    @property
    def is_none(self) -> bool:
        """Whether the two are equal."""
        return not (self.missing or self.extra or self.stale)


def compare(provider: Mapping[str, str], store: Mapping[str, str]) -> Difference:
    """Compare two lists, each the JSON text of its records by id; the texts must be equal byte for byte."""
    return Difference(
        at_provider=len(provider),
        in_store=len(store),
        missing=tuple(sorted(provider.keys() - store.keys())),
        extra=tuple(sorted(store.keys() - provider.keys())),
        stale=tuple(sorted(key for key in provider.keys() & store.keys() if provider[key] != store[key])),
    )


def told_by(resource: str) -> str:
    """The list in whose answers these records stand: most often the list itself."""
    return _TOLD_AT[provider_name(resource), _ENDPOINTS[resource].path]


def compare_with_dump(scope: Scope, resource: str, dump: str) -> Difference:
    """Compare one organisation's stored list with the provider's dump of the list that tells it."""
    return compare(_by_id(resource, dump), dict(records.read(scope, SHAPES[resource])))


def add_up(differences: Iterable[Difference]) -> Difference:
    """The differences of several organisations as one."""
    found = list(differences)
    return Difference(
        at_provider=sum(one.at_provider for one in found),
        in_store=sum(one.in_store for one in found),
        missing=tuple(key for one in found for key in one.missing),
        extra=tuple(key for one in found for key in one.extra),
        stale=tuple(key for one in found for key in one.stale),
    )


def _by_id(resource: str, dump: str) -> dict[str, str]:
    """The dump's records by their ids, each with its own text: nothing is parsed and written anew."""
    endpoint = _ENDPOINTS[resource]
    _, elements = read_object(dump, "records")
    if elements is None:
        raise ValueError(f"the dump of {resource} holds no list of records")
    if endpoint.inside:
        elements = tuple(inner for outer in elements for inner in read_inside(outer, endpoint.inside) or ())
    return {str(element.value[endpoint.id]): element.raw for element in elements}
