"""One slice of a list push: Xero's lists read, what changed planned, sent into Dext, and followed to its end.

first hop ──► plan ──► send ──► look until each job has ended ──► end
 (Xero is read)          ▲  each step is on record before the next one: a run goes on from there
                         └── calls that an earlier run left are brought to their end first
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.cadence import FULL_PUSH
from config.limits import CallClass
from config.points import reached
from connectors import errors
from connectors.dext import ListEntry
from connectors.dext.port import MOST_ENTRIES
from store import feeds, list_calls, list_entries, organisations, runs, tax_checks
from store.database import Scope
from store.list_calls import ListCall, Planned
from store.runs import Claim, Tally
from sync import stops
from sync.lists.copies import listed
from sync.lists.delivery import Delivery
from sync.lists.hop import first_hop, look_again
from sync.lists.mapping import SOURCES, Source, read, written
from sync.lists.plan import batches
from sync.lists.wanted import codes_now, read_whole, wanted_now
from sync.reading import Reader
from sync.services import Services
from sync.stops import Outcome
from sync.storing import used

AT_WORK = "dext at work"
"""Why a push waits: Dext has the list and is not done with it."""
PLANNED = "planned"
"""In the feed's cursor: what is to be sent is on record."""


def push_slice(services: Services, claim: Claim) -> Outcome:
    """Bring Dext's lists up to what Xero has; raises LeaseLostError as every slice does."""
    if outcome := _give_way(services, claim) or first_hop(services, claim):
        return outcome
    reader = Reader(services, claim)
    delivery = Delivery(services, claim, reader, _call_class(claim))
    try:
        is_planned = claim.pages > 0 and (claim.cursor or {}).get(PLANNED, False)
        open_calls = [] if is_planned else _finish_what_was_left(services, claim, delivery)
        if not is_planned and not open_calls:
            _require_taker(services, claim, reader)
            _plan(services, claim)
        if open_calls := open_calls or delivery.deliver():
            return _wait(services, claim, open_calls)
        return _end(services, claim)
    except errors.RateLimitedError as error:
        return stops.wait(services, claim, error, calls=reader.calls_in_vain(error))
    except errors.ConnectorError as error:
        return stops.stop(services, claim, error, calls=reader.calls_in_vain(error))


def _call_class(claim: Claim) -> CallClass:
    return CallClass.PRESS if claim.is_press else CallClass.SCHEDULED


def _give_way(services: Services, claim: Claim) -> Outcome | None:
    """The weekly push of everything makes room for one of what changed; calls on their way are not lost."""
    if not claim.full or claim.newest_at is None:
        return None
    with services.database.transaction() as tx:
        runs.renew(tx, claim)
        if not runs.must_yield(tx, claim):
            return None
        feeds.advance(tx, claim.feed_id, full=False, cursor=None, newest_at=None)
        ending = runs.yield_(tx, claim)
    return Outcome("yielded", messages=(ending.follow_up,) if ending.follow_up else ())


def _finish_what_was_left(services: Services, claim: Claim, delivery: Delivery) -> list[ListCall]:
    """Calls of an earlier plan: what was never sent is planned anew, what may have come through is finished.

    Before anything newer is sent, so that nothing older overtakes it.
    """
    with services.database.transaction() as tx:
        runs.renew(tx, claim)
        list_calls.forget_unsent(tx, claim.feed_id)
    return delivery.deliver()


def _require_taker(services: Services, claim: Claim, reader: Reader) -> None:
    """Ask Dext who this account is and what it offers: it has to be the one connected, and to take lists."""
    account = reader.ask(services.dext.account, _call_class(claim))
    calls = reader.spent()
    with services.database.transaction() as tx:
        runs.renew(tx, claim, Tally(calls=calls))
        link = organisations.link(tx, claim.connection_id)
        if account.id == link.tenant_id:
            tax_checks.keep_features(
                tx,
                organisation_id=claim.organisation_id,
                connection_id=claim.connection_id,
                features=account.features,
            )
        used(tx, claim, calls)
    if account.id != link.tenant_id:
        raise errors.AccessLostError(
            f"The consent now reaches another Dext account ({account.id}). Connect the right one again."
        )
    if account.offers("list_push") is False:
        raise errors.UnsupportedError(
            "This Dext account takes no lists from us: Dext offers that by agreement or plan only."
        )


def _plan(services: Services, claim: Claim) -> None:
    """Put on record what has to be sent, from one look at the store."""
    with services.database.reading() as tx:
        plan = _look(services, claim, tx.scope(claim.organisation_id))
        snapshot_at = tx.now
    reached("push.looked")
    with services.database.transaction() as tx:
        runs.renew(tx, claim)
        list_calls.plan(
            tx,
            organisation_id=claim.organisation_id,
            feed_id=claim.feed_id,
            snapshot_at=snapshot_at,
            calls=plan.calls,
        )
        feeds.advance(tx, claim.feed_id, full=False, cursor={PLANNED: True}, newest_at=None)
        runs.count(tx, claim, {"seen": plan.seen, "unchanged": plan.unchanged})
        reached("push.planned")


@dataclass(frozen=True, slots=True)
class _Plan:
    calls: tuple[Planned, ...]
    seen: int
    unchanged: int


def _look(services: Services, claim: Claim, scope: Scope) -> _Plan:
    """What each list has to hold, beside what Dext took of it; lists whose source was never read stay out."""
    usable = read_whole(scope)
    codes = codes_now(services, scope, usable)
    calls: list[Planned] = []
    seen = sent = 0
    for source in SOURCES:
        if not usable.issuperset(source.resources):
            continue
        wanted = wanted_now(services, scope, source, codes)
        known = {
            key: read(text) for key, text in list_entries.known(scope, claim.feed_id, source.kind).items()
        }
        if claim.full and len(wanted) > MOST_ENTRIES:
            known = _strays(services, scope, source) | known
        for batch in batches(wanted, known, full=claim.full):
            calls.append(Planned(source.kind, batch.mode, tuple(map(written, batch.entries))))
            sent += sum(entry.active for entry in batch.entries)
        seen += len(wanted)
    return _Plan(tuple(calls), seen, seen - sent)


def _strays(services: Services, scope: Scope, source: Source) -> dict[str, ListEntry]:
    """What Dext's own list has of ours besides, from a time that we know nothing of."""
    copy = listed(scope, services.shape(f"dext.{source.kind}"))
    return {key: entry for key, entry in copy.items() if entry.active}


def _wait(services: Services, claim: Claim, open_calls: list[ListCall]) -> Outcome:
    """What is not sent yet is for the next slice; what is, for when Dext may be done with it."""
    sent = [call.sent_at for call in open_calls if call.sent_at is not None]
    with services.database.transaction() as tx:
        if len(sent) < len(open_calls):
            rest = runs.release(tx, claim)
            return Outcome("continues", messages=(rest,) if rest else ())
        runs.snooze(tx, claim, wait=look_again(tx.now - min(sent, default=tx.now)), reason=AT_WORK)
    return Outcome("snoozed", AT_WORK)


def _end(services: Services, claim: Claim) -> Outcome:
    """Dext has taken, entry by entry, what Xero had when this run looked."""
    with services.database.transaction() as tx:
        runs.renew(tx, claim)
        feeds.advance(tx, claim.feed_id, full=False, cursor=None, newest_at=claim.first_read_at)
        if claim.full:
            feeds.full_done(tx, claim.feed_id, claim.first_read_at)
            feeds.plan_comparison(tx, claim.feed_id, whole=False, proven=True, every=FULL_PUSH)
        usable = read_whole(tx.scope(claim.organisation_id))
        left_out = [source.kind for source in SOURCES if not usable.issuperset(source.resources)]
        ending = runs.end(tx, claim)
        if left_out:
            feeds.warn(tx, claim.feed_id, code="left_out", sentence=_left_out(left_out))
        reached("push.ended")
    return Outcome("done", messages=(ending.follow_up,) if ending.follow_up else ())


def _left_out(kinds: Sequence[str]) -> str:
    return (
        f"Not sent to Dext: {', '.join(kind.replace('_', ' ') for kind in kinds)}. Xero's list of them was"
        " never read here: it is off, or Xero is not connected. What Dext has of them stays as it is."
    )
