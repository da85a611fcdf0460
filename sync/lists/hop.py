"""The first hop: what is sent into Dext is read from Xero first, by whoever pressed."""

from datetime import timedelta

from config.points import reached
from connectors.errors import TransientError
from store import feeds, presses, runs, upstream
from store.runs import Claim, Message, Tally
from store.upstream import Behind, Source
from sync import stops
from sync.lists.mapping import UPSTREAM
from sync.services import Services
from sync.stops import Outcome

XERO_FIRST = "xero first"
"""Why a push waits: Xero's lists are read before they are sent on."""
WAITS_FOR = "waits_for"
"""In the feed's cursor: the presses that the first hop is done with, feed id → generation."""
# A wait is looked at again after a quarter of the time it has lasted: soon at first, seldom in the end.
SOONEST, LATEST = timedelta(seconds=1), timedelta(seconds=60)


def first_hop(services: Services, claim: Claim) -> Outcome | None:
    """Read Xero's lists before they are sent on; None when that is done.

    Who pressed wants Dext to have what Xero has now, so each list is pressed for, once per run: whoever
    presses later is answered by a run of its own. The schedule sends what was read last, and waits only for
    what never was.
    """
    if claim.pages == 0:
        return _begin(services, claim)
    with services.database.reading() as tx:
        waits_for = (claim.cursor or {}).get(WAITS_FOR, {})
        behind = upstream.behind(tx.scope(claim.organisation_id), waits_for)
    if not behind:
        return None
    held = next((one for one in behind if one.waits_for_person), None)
    with services.database.transaction() as tx:
        error = stops.fields(_waits(held)) if held else None
        runs.snooze(
            tx, claim, wait=look_again(claim.claimed_at - claim.first_read_at), reason=XERO_FIRST, error=error
        )
    return Outcome("snoozed", XERO_FIRST)


def look_again(waited: timedelta) -> timedelta:
    """How long until the next look at something that has been waited for so long."""
    return min(LATEST, max(SOONEST, waited / 4))


def _begin(services: Services, claim: Claim) -> Outcome | None:
    with services.database.reading() as tx:
        known = upstream.sources(tx.scope(claim.organisation_id), UPSTREAM)
    messages: list[Message] = []
    waits_for: dict[str, int] = {}
    for source in known:
        if source.enabled and (claim.is_press or source.last_success_at is None):
            receipt = _press(services, claim, source)
            reached("hop.pressed")
            messages += receipt.messages
            waits_for[source.id] = receipt.generation
    with services.database.transaction() as tx:
        # A page counts: from here on this run answers no press that comes later.
        runs.renew(tx, claim, Tally(pages=1))
        feeds.advance(tx, claim.feed_id, full=False, cursor={WAITS_FOR: waits_for}, newest_at=None)
        if waits_for:
            runs.snooze(tx, claim, wait=SOONEST, reason=XERO_FIRST)
        reached("hop.waiting")
    return Outcome("snoozed", XERO_FIRST, tuple(messages)) if waits_for else None


def _press(services: Services, claim: Claim, source: Source) -> presses.Press:
    """One press, in a transaction of its own as every press is: nobody waits for several feeds' rows at once.

    Done again after a kill, it is a new one: presses may have come meanwhile that this run answers as well.
    """
    with services.database.transaction() as tx:
        runs.renew(tx, claim)
        by = f"list push for {claim.asked_by or claim.cause}"[:255]
        key = f"push:{claim.run_id}:{claim.slice}"
        return presses.press(tx, source.id, by=by, idempotency_key=key)


def _waits(held: Behind) -> TransientError:
    return TransientError(
        f"Xero has to be read first, and {held.resource} waits until somebody acts ({held.reason})."
        " The push goes on by itself then.",
        code="source_waits",
    )
