"""What came of the promises: fresh, within the limits, presses answered, complete."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from bench.week.calls import Day, calls_by_day
from bench.week.engine import Engine
from bench.week.freshness import Freshness, freshness
from bench.week.people import People, every_member
from bench.week.plan import Plan
from bench.week.watch import REASONS, Feed, Waiting, Watch
from ledgertide.demo.comparison import Difference, add_up, compare_with_dump, told_by
from ledgertide.embedded.sandbox_doors import SandboxDoors
from store.models import feeds, runs
from sync.services import SHAPES

GRACE = timedelta(seconds=60)  # P1
# A press is taken up at once: what has waited longer than this must say why.
PROMPT = timedelta(seconds=60)
STARTS = frozenset({"queued", "running"})


@dataclass(frozen=True)
class Gap:
    """Too long a time between two first reads of a feed, and what its line said meanwhile."""

    feed: Feed
    after: datetime
    length: timedelta
    allowed: timedelta
    said: dict[str | None, int]  # reason → at how many looks

    @property
    def has_reason(self) -> bool:
        """Whether there was one from the closed list at every look."""
        return set(self.said) <= REASONS

    def __str__(self) -> str:
        organisation, resource = self.feed
        return (
            f"{organisation} {resource}: {self.length} after {self.after:%a %H:%M:%S}, "
            f"{self.allowed} allowed; said: {self.said}"
        )


@dataclass(frozen=True)
class Cost:
    """What the simulation itself took, without the settling at its end."""

    slices: int
    seconds: float
    processor_seconds: float  # of this process alone: the servers have their own


@dataclass(frozen=True)
class Report:
    """Everything there is to say; `broken` names what no promise allows."""

    plan: Plan
    gaps: list[Gap]
    pairs: int  # of consecutive first reads
    late_minutes: dict[str, float]
    refusals: dict[str, int]  # problem → 429s
    statuses: dict[str, int]
    presses: list[Waiting]
    unexplained_presses: list[str]
    days: list[Day]
    freshness: list[Freshness]
    differences: dict[str, Difference]
    unforeseen: dict[str, int]
    edited: int
    calls: int
    cost: Cost

    @property
    def unexplained(self) -> list[Gap]:
        """Late, and not always with exactly one reason."""
        return [gap for gap in self.gaps if not gap.has_reason]

    @property
    def unanswered(self) -> list[Waiting]:
        """Presses that have no answer at the end."""
        return [one for one in self.presses if one.answered_at is None]

    @property
    def total(self) -> Difference:
        """All lists against the provider's."""
        return add_up(self.differences.values())

    @property
    def broken(self) -> list[str]:
        """One sentence for each promise that was not kept."""
        waited_in_vain = self.late_minutes.get("backlog", 0.0)
        late, waited, total = self.unexplained, self.unexplained_presses, self.total
        said = (
            (
                late,
                f"{len(late)} times a feed was late without a reason, first {' '.join(map(str, late[:1]))}",
            ),
            # Nobody is ever busy here: what may go is read within the step in which it is due.
            (waited_in_vain, f"feeds waited for {waited_in_vain:.0f} minutes though nothing kept them"),
            (self.refusals, f"calls were refused: {self.refusals}"),
            (self.unanswered, f"{len(self.unanswered)} presses were never answered"),
            (waited, f"{len(waited)} presses waited without a reason: {waited[:3]}"),
            (total.missing, f"{len(total.missing)} records are missing"),
            (total.extra, f"{len(total.extra)} records are still here"),
            (total.stale, f"{len(total.stale)} records are old"),
            (self.unforeseen, f"unforeseen errors: {self.unforeseen}"),
        )
        return [sentence for found, sentence in said if found]


def judge(
    engine: Engine,
    plan: Plan,
    people: People,
    watch: Watch,
    began_at: datetime,
    ended_at: datetime,
    *,
    cost: Cost,
) -> Report:
    """Look at what was seen, at the engine's rows, and at the provider's own log and lists."""
    rows = _runs(engine)
    reads = _first_reads(engine, rows)
    log = engine.sandbox.calls()
    return Report(
        plan=plan,
        gaps=_gaps(engine, watch, reads, began_at, ended_at),
        pairs=sum(len(found) for found in reads.values()),
        late_minutes=watch.late_minutes(ended_at),
        refusals=dict(Counter(str(call["problem"]) for call in log if call["status"] == 429)),
        statuses=dict(Counter(f"{call['status']} {call['fault'] or ''}".strip() for call in log)),
        presses=watch.presses,
        unexplained_presses=[said for one in watch.presses if (said := _unexplained(one))],
        days=calls_by_day(engine.members, log, rows, began_at, ended_at),
        freshness=freshness(reads, people, began_at, ended_at),
        differences=_differences(engine),
        unforeseen=dict(Counter(row.error_sentence for row in rows if row.error_code == "unforeseen")),
        edited=people.edited,
        calls=sum(began_at.timestamp() <= call["at"] <= ended_at.timestamp() for call in log),
        cost=cost,
    )


def _runs(engine: Engine) -> list[Any]:
    columns = (
        "organisation_id",
        "resource",
        "feed_id",
        "cause",
        "full",
        "state",
        "first_read_at",
        "ended_at",
        "calls",
        "error_code",
        "error_sentence",
        "opened_at",
    )
    with engine.services.database.reading() as tx:
        return list(tx.execute(select(*(runs.c[name] for name in columns)).order_by(runs.c.first_read_at)))


def _first_reads(engine: Engine, rows: list[Any]) -> dict[Feed, list[Any]]:
    """Of each feed, the runs that brought it up to date.

    A full read that gave way in between did not: what its last run read is a part of the list.
    """
    slugs = {member.organisation_id: member.slug for member in engine.members}
    found: dict[Feed, list[Any]] = defaultdict(list)
    broken_off: set[Feed] = set()
    for row in rows:
        feed = slugs[row.organisation_id], row.resource
        if row.full and row.state == "yielded":
            broken_off.add(feed)
        elif row.state == "done":
            if not row.full or feed not in broken_off or _is_read_whole(row.resource):
                found[feed].append(row)
            if row.full:
                broken_off.discard(feed)
    return found


def _is_read_whole(resource: str) -> bool:
    return resource in SHAPES and SHAPES[resource].whole


def _gaps(
    engine: Engine,
    watch: Watch,
    reads: dict[Feed, list[Any]],
    began_at: datetime,
    ended_at: datetime,
) -> list[Gap]:
    """Times without a first read that were longer than promised."""
    slugs = {member.organisation_id: member.slug for member in engine.members}
    with engine.services.database.reading() as tx:
        enabled = tx.execute(select(feeds).where(feeds.c.enabled)).all()
    gaps = []
    for row in enabled:
        feed = slugs[row.organisation_id], row.resource
        moments = [
            began_at,
            *(read.first_read_at for read in reads[feed] if read.first_read_at < ended_at),
            ended_at,
        ]
        for after, before in pairwise(sorted(moments)):
            allowed = (
                timedelta(seconds=row.cadence_seconds) + GRACE
            )  # stretched or not: longer needs a reason
            # What was read in the first step in which it was late was read at once.
            if said := Counter(reason for _, reason in watch.seen_late(feed, after + allowed, before)):
                gaps.append(Gap(feed, after, before - after, allowed, dict(said)))
    return gaps


def _unexplained(one: Waiting) -> str | None:
    """What a press was told when it had waited for more than a moment, should that be no reason."""
    for at, state, reason in one.said:
        if at > one.pressed.at + PROMPT and reason not in REASONS:
            return f"{one.pressed} at {at:%a %H:%M:%S}: {state}, {reason}"
    return None


def _differences(engine: Engine) -> dict[str, Difference]:
    doors = SandboxDoors(engine.sandbox.url)
    found: dict[str, list[Difference]] = defaultdict(list)
    for member, resources in every_member(engine):
        for resource in resources:
            dump = doors.dump(member.tenant_id, told_by(resource))
            with engine.services.database.reading() as tx:
                found[resource].append(compare_with_dump(tx.scope(member.organisation_id), resource, dump))
    return {resource: add_up(differences) for resource, differences in found.items()}
