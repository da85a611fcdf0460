"""The organisations of a seed and their lists, made when first asked for and the same every time."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any

from sandbox.endpoints import PARTS, Endpoint
from sandbox.generators.making import Bulk, Making, Organisation
from sandbox.generators.values import guid, stamp_string
from sandbox.generators.words import BUSINESS_FIRST, BUSINESS_LAST, BUSINESS_SECOND, COUNTRIES
from sandbox.oauth import Connection, Grant
from sandbox.records import Record, RecordList
from sandbox.resources import BY_RESOURCE

NEWEST_MS = 1_782_777_600_000  # 2026-06-30: nothing of the seed was changed later
OLDEST_MS = NEWEST_MS - 540 * 86_400_000

# The first five show every trait: middling, small, big enough for pages of 1,000, nearly empty,
# and many pages of 100. The rest are drawn, but for one that has no documents at all.
_FIRST = (
    Bulk(contacts=180, invoices=240, quotes=60, manual_journals=40, linked_transactions=30),
    Bulk(contacts=40, invoices=90, quotes=15, manual_journals=12, linked_transactions=8),
    Bulk(contacts=2400, invoices=2600, quotes=120, manual_journals=220, linked_transactions=150),
    Bulk(contacts=3, invoices=2, quotes=0, manual_journals=0, linked_transactions=0),
    Bulk(contacts=350, invoices=420, quotes=340, manual_journals=130, linked_transactions=360),
)
_EMPTY_AT = 17
_GRANT_SIZES = (2, 1, 3, 1, 1, 4, 1, 1)
_CREATED_AT = (NEWEST_MS - 60 * 86_400_000) / 1000


class Dataset:
    """Every record of every organisation."""

    def __init__(self, seed: int, organisations: int) -> None:
        self.seed = seed
        self.organisations = {
            organisation.tenant_id: organisation
            for organisation in (_organisation(seed, index) for index in range(organisations))
        }
        self._lists: dict[tuple[str, str], RecordList] = {}
        self._seeds: dict[tuple[str, str], _Seed] = {}

    def list_of(self, tenant: str, endpoint: Endpoint) -> RecordList:
        """One organisation's list of one resource as it is now."""
        found = self._lists.get((tenant, endpoint.resource))
        if found is None:
            seeded = self._seeded(tenant, endpoint.resource)
            states = zip(seeded.fields, seeded.stamps, strict=True)
            inner = PARTS.get(endpoint.resource)
            parts = self.list_of(tenant, inner) if inner is not None else None
            found = RecordList(endpoint, (Record(endpoint, fields, at) for fields, at in states), parts)
            self._lists[tenant, endpoint.resource] = found
        return found

    def make(self, tenant: str, endpoint: Endpoint, modified_ms: int) -> Record:
        """A new record that its list does not hold yet."""
        records = self.list_of(tenant, endpoint)
        serial, records.serial = records.serial, records.serial + 1
        source = random.Random(f"{self.seed}:{tenant}:{endpoint.resource}:{serial}")
        fields = self._fields(source, tenant, endpoint, serial, modified_ms, self._peers_now)
        return Record(endpoint, fields, modified_ms if endpoint.stamp else serial)

    def changes(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What the lists no longer have from the seed; `restore` takes it back."""
        return {
            name: {
                "serial": records.serial,
                "states": {
                    touched: (now.fields, now.modified_ms) if (now := records.by_id.get(touched)) else None
                    for touched in records.touched
                },
                "pending": [(at, state.fields, state.modified_ms) for at, state in records.pending],
            }
            for name, records in self._lists.items()
            if records.touched or records.pending
        }

    def restore(self, changes: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        """Bring the lists from the seed to where `changes` were told."""
        for (tenant, resource), told in changes.items():
            endpoint = BY_RESOURCE[resource]
            records = self.list_of(tenant, endpoint)
            records.serial = told["serial"]
            for touched, state in told["states"].items():
                if state is None:
                    records.remove(touched)
                else:
                    records.put(Record(endpoint, *state))
            for at, fields, modified_ms in told["pending"]:
                records.put_later(Record(endpoint, fields, modified_ms), at)

    def _seeded(self, tenant: str, resource: str) -> "_Seed":
        found = self._seeds.get((tenant, resource))
        if found is None:
            endpoint, name = BY_RESOURCE[resource], f"{self.seed}:{tenant}:{resource}"
            chance = random.Random(f"{name}:size")
            size = endpoint.size(self.organisations[tenant], chance, partial(self._filled, tenant))
            source = random.Random(name)
            stamps = _stamps(source, size) if endpoint.stamp else list(range(size))
            fields = [
                self._fields(source, tenant, endpoint, serial, at, self._peers)
                for serial, at in enumerate(stamps)
            ]
            found = self._seeds[tenant, resource] = _Seed(fields, stamps)
        return found

    def _fields(
        self,
        source: random.Random,
        tenant: str,
        endpoint: Endpoint,
        serial: int,
        modified_ms: int,
        peers: Callable[[str, str], Sequence[Mapping[str, Any]]],
    ) -> Mapping[str, Any]:
        own = partial(self._filled, tenant)
        making = Making(source, self.organisations[tenant], serial, modified_ms, partial(peers, tenant), own)
        return stamped(endpoint, endpoint.make(making), modified_ms)

    def _peers(self, tenant: str, resource: str) -> Sequence[Mapping[str, Any]]:
        # Always the seed's own records: what was edited since must not change what the seed makes.
        return self._seeded(tenant, resource).fields

    def _filled(self, tenant: str, resource: str, name: str | None) -> Sequence[Mapping[str, Any]]:
        seed = self._seeded(tenant, resource)
        return seed.fields if name is None else seed.having(name)

    def _peers_now(self, tenant: str, resource: str) -> Sequence[Mapping[str, Any]]:
        # What is added later refers to what is there then.
        return [row.fields for row in self.list_of(tenant, BY_RESOURCE[resource]).rows]


@dataclass(frozen=True)
class _Seed:
    """A list as it was in the beginning."""

    fields: list[Mapping[str, Any]]
    stamps: list[int]
    _having: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def having(self, name: str) -> list[Mapping[str, Any]]:
        """The records in which a field is filled; sorted out once, for every generator asks again."""
        if name not in self._having:
            self._having[name] = [fields for fields in self.fields if fields.get(name)]
        return self._having[name]


def stamped(endpoint: Endpoint, fields: Mapping[str, Any], modified_ms: int) -> dict[str, Any]:
    """The fields with their modified time in every spelling the endpoint has."""
    if endpoint.stamp is None:
        return dict(fields)
    stamps = {endpoint.stamp: endpoint.date(modified_ms)}
    if "UpdatedDateUTCString" in fields:
        stamps["UpdatedDateUTCString"] = stamp_string(modified_ms)
    return dict(fields) | stamps


def make_grants(dataset: Dataset) -> list[Grant]:
    """Consents over the organisations: some of one person for one, some of an accountant for several."""
    source = random.Random(f"{dataset.seed}:grants")
    waiting = list(dataset.organisations.values())
    grants: list[Grant] = []
    for size in cycle(_GRANT_SIZES):
        if not waiting:
            return grants
        mine, waiting = waiting[:size], waiting[size:]
        connections = [Connection(guid(source), each.tenant_id, each.name) for each in mine]
        if size >= 3:
            # An accountant's practice stands among the connections, and has no Accounting API.
            practice = Connection(guid(source), guid(source), "Ledger & Leaf Advisors", "PRACTICE")
            connections.append(practice)
        grants.append(Grant(guid(source), guid(source), connections, _CREATED_AT))
    return grants


def _organisation(seed: int, index: int) -> Organisation:
    source = random.Random(f"{seed}:organisation:{index}")
    country = COUNTRIES[index % len(COUNTRIES)]
    words = (source.choice(BUSINESS_FIRST), source.choice(BUSINESS_SECOND), source.choice(BUSINESS_LAST))
    drawn = _drawn(source)
    bulk = _FIRST[index] if index < len(_FIRST) else drawn
    if index == _EMPTY_AT:
        bulk = Bulk(0, 0, 0, 0, 0)
    return Organisation(
        index=index,
        tenant_id=guid(source),
        name=f"{' '.join(words).strip()} {index + 1}",
        country=country,
        created_ms=OLDEST_MS - source.randrange(10**10),
        day_limit=1000 if index % 4 == 1 else 5000,
        bulk=bulk,
    )


def _drawn(source: random.Random) -> Bulk:
    middle = source.lognormvariate(5.0, 0.6)
    shares = (1.0, 1.4, 0.3, 0.25, 0.15)
    return Bulk(*(max(1, round(middle * share * source.uniform(0.6, 1.4))) for share in shares))


def _stamps(source: random.Random, count: int) -> list[int]:
    """Modified times in order; now and then many rows in one second, as an import leaves them."""
    stamps: list[int] = []
    while len(stamps) < count:
        at = source.randrange(OLDEST_MS, NEWEST_MS)
        burst = source.randrange(5, 40) if source.random() < 0.01 else 1
        stamps.extend(at - at % 1000 + source.randrange(1000) for _ in range(burst))
    return sorted(stamps[:count])
