"""What the demo found: the comparison per resource, the calls, what they cost, decisions, webhooks."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ledgertide.demo.approvals import Decided
from ledgertide.demo.comparison import Difference, add_up, compare_with_dump, told_by
from ledgertide.demo.edits import RESOURCES
from ledgertide.demo.telling import Told
from ledgertide.embedded.sandbox_doors import SandboxDoors
from ledgertide.output import console, say, table
from store import organisations
from sync.providers import ENDPOINTS, provider_name
from sync.services import Services

SIGN_IN = "sign-in"
FILES = "files of dext.items"
REFUSED = 429

_OFF = {endpoint.resource: endpoint.off for endpoint in ENDPOINTS}
# Xero's log knows paths; two lists that share one are told apart by nobody. Dext's knows resources.
_LISTS = {
    endpoint.path if provider_name(endpoint.resource) == "xero" else endpoint.resource: told_by(
        endpoint.resource
    )
    for endpoint in ENDPOINTS
}
_LISTS |= {"dext.file": FILES, "dext.download": FILES}
_COUNTED = {*_LISTS.values(), SIGN_IN}


@dataclass(frozen=True, slots=True)
class Row:
    """One resource of all organisations."""

    resource: str
    at_provider: int
    in_store: int
    missing: int
    extra: int
    stale: int
    calls: int | None  # None: counted with the list above, at the same path
    refused: int
    seconds: float  # from the connecting until the last of its feeds was fresh
    off: bool = False  # not read, so not compared either


@dataclass(slots=True)
class Report:
    """All rows, and what all of it cost."""

    organisations: int
    rows: list[Row]
    presses: int
    edits: Mapping[str, int]
    read_seconds: float
    press_seconds: float
    cpu_ms_per_call: dict[str, float]
    differing: list[str]
    decided: Decided | None = None
    told: Told | None = None
    whole_seconds: float = 0.0

    @property
    def total(self) -> Row:
        """The sums."""

        def summed(name: str) -> int:
            return sum(getattr(row, name) or 0 for row in self.rows)

        return Row(
            resource="all",
            at_provider=summed("at_provider"),
            in_store=summed("in_store"),
            missing=summed("missing"),
            extra=summed("extra"),
            stale=summed("stale"),
            calls=summed("calls"),
            refused=summed("refused"),
            seconds=self.read_seconds,
        )

    @property
    def is_good(self) -> bool:
        """Whether nothing is missing, extra, stale, or was refused, and there was something to compare.

        And each decision was applied once or is a real conflict, each change that was told of is here.
        """
        total = self.total
        different = total.missing or total.extra or total.stale or total.refused
        return total.at_provider > 0 and not different and not self.flaws

    @property
    def flaws(self) -> list[str]:
        """What is wrong with decisions and webhooks."""
        return [flaw for part in (self.decided, self.told) if part for flaw in part.flaws]

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "total": asdict(self.total), "good": self.is_good}


def judge(
    services: Services,
    doors: SandboxDoors,
    *,
    cost: Mapping[str, float],
    first_fresh: Mapping[str, float],
    read_seconds: float,
    press_seconds: float,
    presses: int,
    edits: Mapping[str, int],
) -> Report:
    """Compare every record of every organisation, and count from the sandbox's own log."""
    log = doors.calls()
    compared = _compare(services, doors)
    calls, refused = Counter[str](), Counter[str]()
    for call in log:
        asked = _LISTS.get(call["endpoint"], SIGN_IN)
        calls[asked] += 1
        refused[asked] += call["status"] == REFUSED
    rows = []
    for resource in (*_OFF, FILES, SIGN_IN):
        difference = add_up(compared[resource].values())
        rows.append(
            Row(
                resource,
                difference.at_provider,
                difference.in_store,
                len(difference.missing),
                len(difference.extra),
                len(difference.stale),
                calls[resource] if resource in _COUNTED else None,
                refused[resource],
                first_fresh.get(resource, 0.0),
                off=_OFF.get(resource, False),
            )
        )
    return Report(
        organisations=len({slug for found in compared.values() for slug in found}),
        rows=rows,
        presses=presses,
        edits=dict(edits),
        read_seconds=read_seconds,
        press_seconds=press_seconds,
        cpu_ms_per_call={name: 1000 * used / max(1, len(log)) for name, used in cost.items()},
        differing=_named(compared),
    )


WORDS = {
    "edit": "edited",
    "add": "added",
    "archive": "archived",
    "merge": "merged",
    "void": "voided",
    "silent": "changed silently",
    "remove": "removed",
}
COLUMNS = ("provider", "store", "missing", "extra", "stale", "calls", "refused", "sec")


def show(report: Report) -> None:
    """Print the tables."""
    rows = [_told(row) for row in (*report.rows, report.total)]
    out = console()
    out.print()
    compared = table(("resource", *COLUMNS), rows, numbers=COLUMNS)
    compared.padding = (0, 1, 0, 0)  # narrow enough for 80 columns
    out.print(compared)
    out.print()
    costs = [(name, f"{cost:.2f}") for name, cost in report.cpu_ms_per_call.items()]
    costs.append(("all", f"{sum(report.cpu_ms_per_call.values()):.2f}"))
    out.print(table(("process", "CPU ms per call"), costs, numbers=("CPU ms per call",)))
    out.print()
    for line in report.differing:
        say(line)
    done = ", ".join(
        f"{report.edits[action]} {word}" for action, word in WORDS.items() if action in report.edits
    )
    say(f"Records meanwhile at the provider: {done}.")
    say(
        f"{report.organisations} organisations fresh {report.read_seconds:.1f} s after they were connected, "
        f"{report.presses} presses answered in {report.press_seconds:.1f} s, "
        f"{report.whole_seconds:.1f} s in all."
    )
    _show_both_ways(report)
    verdict = "The store equals the provider." if report.is_good else "The store DIFFERS from the provider."
    if report.total.refused and not report.differing:
        verdict = f"The provider refused {report.total.refused} calls."
    if report.flaws and not report.differing:
        verdict = "NOT everything that was decided or told came to where it belongs."
    say(verdict)


def _show_both_ways(report: Report) -> None:
    if decided := report.decided:
        say(
            f"{decided.pushed} decisions pushed in {decided.seconds:.1f} s: {decided.applied_once} applied"
            f" once by Xero's count, {decided.conflicts} in conflict: somebody else had changed the bill."
        )
    if told := report.told:
        say(
            f"{told.sent} webhooks sent, {told.doubled} of them doubled, {told.forged} forged and refused: "
            f"{told.stored} changes stored, {told.median_seconds:.1f} s (median) after the event, "
            f"{told.longest_seconds:.1f} s at most."
        )
    for flaw in report.flaws:
        say(flaw)


def _told(row: Row) -> tuple[str, ...]:
    if row.off:
        return (row.resource, "off", *[""] * (len(COLUMNS) - 1))
    figures = (row.at_provider, row.in_store, row.missing, row.extra, row.stale)
    calls = "↑" if row.calls is None else str(row.calls)
    return (row.resource, *map(str, figures), calls, str(row.refused), f"{row.seconds:.1f}")


def _compare(services: Services, doors: SandboxDoors) -> dict[str, dict[str, Difference]]:
    compared: dict[str, dict[str, Difference]] = defaultdict(dict)
    with services.database.reading() as tx:
        slugs = {one.id: one.slug for one in organisations.everyone(tx)}
        links = organisations.every_link(tx)
    for link in links:
        for resource in (one for one in RESOURCES if provider_name(one) == link.provider):
            dump = doors.dump(link.tenant_id, told_by(resource))
            with services.database.reading() as tx:
                difference = compare_with_dump(tx.scope(link.organisation_id), resource, dump)
            compared[resource][slugs[link.organisation_id]] = difference
    return compared


def _named(compared: Mapping[str, Mapping[str, Difference]]) -> list[str]:
    """Which records differ, so that somebody can look: the first few of each feed."""
    return [
        f"{slug} {resource}: {len(ids)} {kind}: {', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''}"
        for resource, found in compared.items()
        for slug, difference in found.items()
        for kind in ("missing", "extra", "stale")
        if (ids := getattr(difference, kind))
    ]
