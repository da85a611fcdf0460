"""One slice of a run: read pages, store each with the cursor that follows it, say what became of it."""

from typing import Any

from config.cadence import COMPARISON_AT_THE_LATEST
from config.limits import CallClass
from config.points import reached
from connectors import errors
from connectors.pages import Cursor, Page
from store import feeds, runs, stretch, vanished
from store.runs import Claim
from sync import stops
from sync.alone import read_alone
from sync.lists.push import push_slice
from sync.providers import LIST_PUSH
from sync.reading import Reader
from sync.services import SHAPES, Services
from sync.stops import Outcome
from sync.storing import store, tell
from sync.tax import keeping

REFERENCE = frozenset(resource for resource, shape in SHAPES.items() if shape.reference)

UNPROVEN_SENTENCE = (
    "The provider announced more records than it sent, so nothing could be said of what was not seen; "
    "what it sent is stored, and the list is compared again by itself."
)


def run_slice(services: Services, claim: Claim) -> Outcome:
    """Work through one slice of a feed: what is read from a provider, or what goes into it.

    Raises LeaseLostError when somebody else goes on with this run: then nothing of ours was written.
    """
    return push_slice(services, claim) if claim.resource == LIST_PUSH else read_slice(services, claim)


def read_slice(services: Services, claim: Claim) -> Outcome:
    """Read pages of one feed until it is up to date or the slice is used up.

    Each page is stored together with the cursor that follows it, so a run that stops anywhere
    goes on from there. Raises LeaseLostError when somebody else goes on with this run: then
    nothing of ours was written.
    """
    if outcome := _make_way(services, claim):
        return outcome
    reader = Reader(services, claim)
    call_class = _call_class(services, claim)
    try:
        if outcome := read_alone(services, claim, reader):
            return outcome
        cursor, fresh = _start(services, claim)
        while True:
            page = reader.read(cursor, call_class)
            reached("page.read")
            outcome = _store(services, claim, reader, page, fresh=fresh)
            if outcome:
                return outcome
            reached("page.committed")
            cursor, fresh = page.cursor, False
    except errors.RateLimitedError as error:
        calls = reader.calls_in_vain(error)
        return stops.wait(services, claim, error, calls=calls, call_class=call_class)
    except errors.ConnectorError as error:
        return stops.stop(services, claim, error, calls=reader.calls_in_vain(error))


def _make_way(services: Services, claim: Claim) -> Outcome | None:
    """A comparison that cannot go on must not keep others waiting either: it gives way before it reads."""
    if not _is_comparison(services, claim):
        return None
    with services.database.transaction() as tx:
        runs.renew(tx, claim)
        return _give_way(tx, services, claim)


def _start(services: Services, claim: Claim) -> tuple[Cursor, bool]:
    """Where to read on, and whether that is the beginning of a full read."""
    connector = services.provider(claim.resource).connector
    if not claim.full:
        resumes = claim.pages > 0 and claim.cursor is not None
        return (claim.cursor if resumes else connector.begin(claim.resource, claim.newest_at)) or {}, False
    can_resume = claim.pages > 0 or not services.shape(claim.resource).whole
    if claim.full_cursor is not None and can_resume:
        return claim.full_cursor, False
    return connector.begin(claim.resource, None), True


def _call_class(services: Services, claim: Claim) -> CallClass:
    if claim.is_press:
        return CallClass.PRESS
    if _is_comparison(services, claim) and claim.last_full_read_at is not None:
        age = claim.claimed_at - claim.last_full_read_at
        return CallClass.SPARE if age < COMPARISON_AT_THE_LATEST else CallClass.SCHEDULED
    is_due = claim.due_at <= claim.claimed_at
    return CallClass.WEBHOOK if claim.cause == "webhook" and not is_due else CallClass.SCHEDULED


def _store(services: Services, claim: Claim, reader: Reader, page: Page, *, fresh: bool) -> Outcome | None:
    """The page, its cursor, the run's progress, and the events, in one transaction; None: read on."""
    tally = reader.tally(page)
    with services.database.transaction() as tx:
        runs.renew(tx, claim, tally)
        reader.renewed()
        stored = store(tx, services, claim, page, begins=fresh)
        if claim.full and page.announced is not None:
            vanished.announce(tx, claim.feed_id, page.announced)
        verdict = None
        if page.last and claim.full and page.flaw is None:
            verdict = _conclude(tx, services, claim)
            stored.ids["gone"] = list(verdict.gone)
            stored.counts["gone"] = len(verdict.gone)
        runs.count(tx, claim, stored.counts)
        outcome = _go_on(tx, services, claim, reader, page)
        if verdict and not verdict.proven:
            feeds.warn(tx, claim.feed_id, code="unproven", sentence=UNPROVEN_SENTENCE)
        newest_event = tell(tx, claim, stored, tally)
        reached("page.written")
    return outcome and Outcome(outcome.state, outcome.reason, outcome.messages, newest_event)


def _conclude(tx: Any, services: Services, claim: Claim) -> vanished.Verdict:
    """The whole list was read: what is gone now, and when the next comparison is due."""
    shape = services.shape(claim.resource)
    verdict = vanished.conclude(
        tx,
        shape,
        feed_id=claim.feed_id,
        organisation_id=claim.organisation_id,
        connection_id=claim.connection_id,
        run_id=claim.run_id,
    )
    feeds.plan_comparison(tx, claim.feed_id, whole=shape.whole, proven=verdict.proven)
    reached("vanish.concluded")
    return verdict


def _go_on(tx: Any, services: Services, claim: Claim, reader: Reader, page: Page) -> Outcome | None:
    """Decide what follows this page, in its own transaction."""
    if page.flaw:
        return stops.flawed(tx, claim, page.flaw)
    whole = services.shape(claim.resource).whole
    # A full read is complete up to a time only at its end; a list without changed-since never.
    connector = services.provider(claim.resource).connector
    known = connector.newest(page.cursor) if not whole and (page.last or not claim.full) else None
    cursor = None if page.last else page.cursor
    feeds.advance(tx, claim.feed_id, full=claim.full, cursor=cursor, newest_at=known)
    if page.last:
        _learn(tx, services, claim, reader)
        ending = runs.end(tx, claim)
        keeping.after_read(tx, services.shape, claim)
        reached("run.ended")
        return Outcome("done", messages=(ending.follow_up,) if ending.follow_up else ())
    if outcome := _give_way(tx, services, claim):
        return outcome
    if reader.used_up():
        rest = runs.release(tx, claim)
        reached("run.released")
        return Outcome("continues", messages=(rest,) if rest else ())
    return None


def _learn(tx: Any, services: Services, claim: Claim, reader: Reader) -> None:
    """What reading the feed costs, by a read such as the schedule makes, not by an import or a comparison."""
    if claim.full and not services.shape(claim.resource).whole:
        return
    stretch.learn(tx, claim, day_limit=reader.day_limit, reference=REFERENCE)


def _give_way(tx: Any, services: Services, claim: Claim) -> Outcome | None:
    """End a comparison for a changed-since read that is due or pressed for; its cursor stays."""
    if not (_is_comparison(services, claim) and runs.must_yield(tx, claim)):
        return None
    ending = runs.yield_(tx, claim)
    reached("run.yielded")
    return Outcome("yielded", messages=(ending.follow_up,) if ending.follow_up else ())


def _is_comparison(services: Services, claim: Claim) -> bool:
    """A full read of what changed-since reads keep up to date anyway; a first import is none."""
    return claim.full and claim.newest_at is not None and not services.shape(claim.resource).whole
