"""What came of the storm, beside each limit."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import and_, func, or_, select

from bench.webhooks.storm import Edit, Sent
from bench.webhooks.watch import NEVER, Watch
from store.models import notices, runs
from store.notices import APART
from sync.services import Services

STORED_WITHIN = timedelta(seconds=20)
ANSWERED_WITHIN_MS = 100


@dataclass
class Verdict:
    """What was seen, and the limit it is held to, if there is one."""

    what: str
    came: str
    limit: str = ""
    ok: bool = True

    def __str__(self) -> str:
        return f"{'ok   ' if self.ok else 'WRONG'}  {self.what:<36} {self.came:<26} {self.limit}"


def judge(services: Services, watch: Watch, sent: Sent) -> list[Verdict]:
    """How the deliveries were answered, and what came of what they told."""
    return [*_of_answers(sent), *_of_changes(services, watch, sent)]


def _of_answers(sent: Sent) -> Iterator[Verdict]:
    forged = [one["status"] for one in sent.attempts if one["kind"] == "forged"]
    genuine = [one for one in sent.attempts if one["kind"] != "forged"]
    yield Verdict("deliveries", f"{len(sent.attempts)}, of them {len(forged)} forged")
    took = sorted(one["milliseconds"] for one in genuine)
    p99, middle = took[int(len(took) * 0.99)], took[len(took) // 2]
    yield Verdict(
        "99 of 100 answered within",
        f"{p99:.0f} ms (middle {middle:.0f})",
        f"{ANSWERED_WITHIN_MS} ms",
        p99 <= ANSWERED_WITHIN_MS,
    )
    under_way = sum(one["milliseconds"] for one in sent.attempts) / 1000 / sent.seconds
    yield Verdict(
        f"under way at a time, of {sent.at_once}",
        f"{under_way:.0f}, {len(sent.attempts) / sent.seconds:.0f} a second",
    )
    refused = sum(one["status"] != 200 for one in genuine)
    yield Verdict("true ones not taken", str(refused), "0", refused == 0)
    wrongly = len(forged) - forged.count(401)
    yield Verdict("forged ones not refused", str(wrongly), "0", wrongly == 0)


def _of_changes(services: Services, watch: Watch, sent: Sent) -> Iterator[Verdict]:
    true_events = len({one["first"] for one in sent.attempts if one["kind"] == "true"})
    with services.database.reading() as tx:
        kept = int(tx.execute(select(func.count()).select_from(notices)).scalar_one())
    yield Verdict("notices kept, for true events", f"{kept} for {true_events}", "equal", kept == true_events)
    delays = [watch.delay(record_id, edit.at) for edit in sent.edits for record_id in edit.ids]
    lost, longest = delays.count(None), max((delay for delay in delays if delay is not None), default=NEVER)
    yield Verdict("changes never stored", f"{lost} of {len(delays)}", "0", lost == 0)
    yield Verdict(
        "longest from edit to row",
        "never" if longest is NEVER else f"{longest.total_seconds():.1f} s",
        f"{STORED_WITHIN.seconds} s",
        longest <= STORED_WITHIN,
    )
    # None at all: nothing was seen of what is judged.
    shortest = min(_gaps(services, watch.began), default=timedelta(0))
    yield Verdict(
        "gap before a run for webhooks",
        f"{shortest.total_seconds():.1f} s",
        f"{APART.seconds} s",
        shortest >= APART,
    )


def _gaps(services: Services, since: datetime) -> Iterator[timedelta]:
    """From a feed's run to its next one, where webhooks asked for that; a slot may fall anywhere."""
    starts: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    with services.database.reading() as tx:
        query = select(runs.c.feed_id, runs.c.first_read_at, runs.c.cause)
        for row in tx.execute(query.where(runs.c.cause != "full", runs.c.first_read_at >= since)):
            starts[row.feed_id].append((row.first_read_at, row.cause))
    for ones in starts.values():
        for (earlier, _), (later, cause) in pairwise(sorted(ones)):
            if cause == "webhook":
                yield later - earlier


def what_became_of(services: Services, edit: Edit) -> Iterator[str]:
    """When an edit was told of, and what its list's runs did from then on."""
    yield f"The latest change: an edit of {edit.resource} at {_time(edit.at)}"
    with services.database.reading() as tx:
        told = and_(notices.c.record_id.in_(edit.ids), notices.c.received_at >= edit.at)
        notice = tx.execute(select(notices).where(told).order_by(notices.c.received_at.desc())).first()
        if notice is None:
            yield "  nobody told of it"
            return
        yield f"  told at {_time(notice.received_at)}, handed to a run at {_time(notice.handed_at)}"
        since = or_(runs.c.ended_at.is_(None), runs.c.ended_at >= edit.at)
        of_its_list = select(runs).where(runs.c.feed_id == notice.feed_id, since)
        for run in tx.execute(of_its_list.order_by(runs.c.opened_at).limit(5)):
            yield (
                f"  {run.cause}: opened {_time(run.opened_at)}, first read {_time(run.first_read_at)},"
                f" ended {_time(run.ended_at)}; {run.slice} slices, {run.pages} pages,"
                f" read for {run.waited_ms / 1000:.1f} s"
            )


def _time(at: datetime | None) -> str:
    return f"{at:%T.%f}"[:-4] if at else "never"
