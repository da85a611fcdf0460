"""One list of one organisation, watched while things happen to it; a second organisation has it, too."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from connectors.endpoints import Endpoint
from connectors.xero import ENDPOINTS
from sandbox.endpoints import BY_RESOURCE
from sync.stops import Outcome
from tests.integration.engine import Engine
from tests.integration.traces import candidates_of, gone, rows, told

LISTS = {endpoint.resource: endpoint for endpoint in ENDPOINTS}
# The first list of each habit meets both databases, the others one here and the other there.
KINDS = ("sqlite", "postgresql")
FIRST = {LISTS[name].paging: name for name in sorted(LISTS, reverse=True)}.values()
BOTH = [(name, kind) for name in FIRST for kind in KINDS]
REST = sorted(LISTS.keys() - set(FIRST))
SHARED = [*BOTH, *zip(REST, cycle(KINDS))]
OTHERWISE = [*BOTH, *zip(REST, cycle(reversed(KINDS)))]
PAGED = {"seek", "backward", "numbered"}
# The places of a small organisation, which is watched, and of a tiny one.
SMALL, TINY = 1, 3
PAGES = 3
# How many records an answer holds where we cannot choose.
FIXED_PAGE = 100


@dataclass(frozen=True)
class Watched:
    """A list at the provider and what is stored of it."""

    made: Engine
    resource: str
    slug: str
    other: str

    @property
    def endpoint(self) -> Endpoint:
        """How we read it."""
        return LISTS[self.resource]

    @property
    def is_whole(self) -> bool:
        """Each read is a full one: the list cannot be asked for changes."""
        return self.endpoint.shape.whole

    @property
    def is_paged(self) -> bool:
        """A read takes several answers, between which the list changes."""
        return self.endpoint.paging in PAGED

    @property
    def announces_length(self) -> bool:
        """Its pages are as long as we ask, and each says how many records the list has; others are fixed."""
        return self.endpoint.paging == "seek" and self.endpoint.asks_page_size

    @property
    def tells_changes(self) -> bool:
        """A change is seen by the next read; otherwise a record never changes once it is made."""
        return self.is_whole or BY_RESOURCE[self.resource].restamped

    @property
    def page(self) -> int:
        """How many records an answer holds."""
        sizes = self.made.services.provider("xero").connector.endpoints
        return sizes[self.resource].page_size if self.announces_length else FIXED_PAGE

    # --- what happens at the provider ------------------------------------------------------------

    def edit(self, action: str = "edit", **wishes: Any) -> list[str]:
        """Something happens to its records, now or (`after_calls`) between answers."""
        return self.made.sandbox.edit(self.made.tenants[self.slug], self.resource, action, **wishes)

    def actions(self) -> list[str]:
        """What people do to such records besides adding them, and every read tells."""
        return ["edit", *BY_RESOURCE[self.resource].targets] if self.tells_changes else []

    def fault(self, kind: str, **wishes: Any) -> None:
        """Something goes wrong with answers to this organisation."""
        self.made.sandbox.faults(kind, tenant=self.made.tenants[self.slug], **wishes)

    def there(self) -> dict[str, Any]:
        """What the provider has."""
        return self.made.at_provider(self.slug, self.resource)

    # --- what we do about it ---------------------------------------------------------------------

    def sync(self) -> list[Outcome]:
        """A press: what changed is read, or the whole list where that cannot be asked."""
        return self.made.sync(self.slug, self.resource)

    def read_whole(self) -> list[Outcome]:
        """The whole list is read, once: by any press, or by *Full resync*."""
        press = self.made.press(self.slug, self.resource, full=not self.is_whole)
        return self.made.work(list(press.messages)) + self.look()

    def look(self) -> list[Outcome]:
        """Beat looks once for what is due, and that is worked through."""
        return self.made.work(self.made.tick())

    # --- what there is then ----------------------------------------------------------------------

    def stored(self) -> dict[str, Any]:
        """The live records."""
        return self.made.parsed(self.slug, self.resource)

    def stale(self, ids: Collection[str]) -> list[str]:
        """Which of these are not stored as the provider has them."""
        stored, there = self.stored(), self.there()
        return [key for key in ids if stored.get(key) != there.get(key)]

    def shows(self) -> tuple[str, str | None]:
        """The line's state and reason."""
        line = self.made.line(self.slug, self.resource)
        return line.state, line.reason

    def rows(self) -> dict[str, Any]:
        """The rows, gone or not."""
        return rows(self.made, self.slug, self.resource)

    def gone(self) -> list[str]:
        """The ids marked gone."""
        return gone(self.made, self.slug, self.resource)

    def candidates(self) -> dict[str, bool]:
        """The ids one read missed, and whether they are held."""
        return candidates_of(self.made, self.slug, self.resource)

    def told(self, kind: str) -> list[str]:
        """The ids in the events of a kind."""
        return told(self.made, self.slug, self.resource, kind)

    def assert_equal(self) -> None:
        """The store holds what the provider has: none missing, none stale, none too many, digit for digit."""
        stored, there = self.stored(), self.there()
        assert there.keys() - stored.keys() == set(), "missing"
        assert stored.keys() - there.keys() == set(), "extra"
        assert [key for key in there if stored[key] != there[key]] == [], "stale"


def watch(made: Engine, resource: str) -> Watched:
    """A list to be watched, not yet read: on, and of three pages where it has pages."""
    slug, other = made.connect(resources=[resource], which=(SMALL, TINY))
    its, theirs = Watched(made, resource, slug, other), Watched(made, resource, other, slug)
    for each in (its, theirs):
        if each.endpoint.off:
            made.switch_on(each.slug, resource)
        if each.endpoint.inside:
            made.sandbox.edit(made.tenants[each.slug], outer_of(each.endpoint), "add")
        each.edit("add", count=2)
    shortest = 15 if its.announces_length else its.page
    wanted = (PAGES - 1) * shortest + 5 if its.is_paged else 0
    its.edit("add", count=max(2, wanted - len(its.there())))
    made.sandbox.advance(3600)  # so that a next read does not begin before all that
    its.edit("add", count=2)
    if its.announces_length:
        made.pages_of(resource, -(-len(its.there()) // PAGES))
    return its


def outer_of(inner: Endpoint) -> str:
    """The list inside whose records these stand."""
    return next(name for name, each in LISTS.items() if each.path == inner.path and not each.inside)
