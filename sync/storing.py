"""A page goes into the store: records, what could not be kept, what was seen, and what to tell of it."""

import hashlib
from dataclasses import dataclass, field

from config.decisions import RESOURCES
from connectors.pages import Page
from store import echoes, events, publications, records, rejects, usage, vanished
from store.database import Transaction
from store.records import Destination
from store.runs import Claim, Tally
from sync.services import Services


@dataclass(slots=True)
class Stored:
    """What a page did to the store: ids by kind for the events, counts for the run's row."""

    ids: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    ours: dict[str, str] = field(default_factory=dict)
    """Records that are as a decision of ours left them, each with the decision."""


# What else some records bring with them, beside themselves.
BESIDES = {"dext.items": publications.keep}


def store(
    tx: Transaction, services: Services, claim: Claim | Destination, page: Page, *, begins: bool = False
) -> Stored:
    """Write a page's records; every read also shows what is there to a full read that is under way.

    `begins`: it is a full read's first page. The caller has renewed the claim in this transaction.
    """
    shape, ids = services.shape(claim.resource), [record.id for record in page.records]
    is_decided = claim.resource in RESOURCES
    awaited = echoes.awaited(tx, shape, claim.connection_id, ids) if is_decided else {}
    changes = records.upsert(
        tx,
        shape,
        page.records,
        organisation_id=claim.organisation_id,
        connection_id=claim.connection_id,
        fence=claim.fence,
    )
    if beside := BESIDES.get(claim.resource):
        beside(tx, page.records, organisation_id=claim.organisation_id, connection_id=claim.connection_id)
    if begins and isinstance(claim, Claim):
        vanished.begin(tx, claim.feed_id, claim.first_read_at)
    stored = Stored(dict(changes.ids), changes.counts())
    if is_decided:
        changed = {record_id for its in changes.ids.values() for record_id in its}
        touched = [record for record in page.records if record.id in changed]
        stored.ours = echoes.ours(tx, shape, claim.connection_id, touched, awaited)
    if page.rejects:
        stored.counts["rejected"] = rejects.keep(
            tx,
            page.rejects,
            feed_id=claim.feed_id,
            organisation_id=claim.organisation_id,
            run_id=claim.run_id,
        )
    rejects.accept(tx, claim.feed_id, ids)
    set_aside = [reject.id or f"(no id) {_digest(reject.raw)}" for reject in page.rejects]
    vanished.saw(tx, claim.feed_id, ids + set_aside)
    return stored


def tell(tx: Transaction, claim: Claim | Destination, stored: Stored, tally: Tally) -> int | None:
    """Last in the page's transaction, under the organisation's row: its events and what it used.

    Returns the newest event's sequence, None without one.
    """
    newest = tell_of(tx, claim, stored)
    used(tx, claim, tally.calls, tally.bytes)
    return newest


def tell_of(tx: Transaction, claim: Claim | Destination, stored: Stored) -> int | None:
    """The events of what was stored, and the newest one's sequence, None without one."""
    return events.append(
        tx,
        organisation_id=claim.organisation_id,
        feed_id=claim.feed_id,
        resource=claim.resource,
        run_id=claim.run_id or None,
        changes=stored.ids,
        ours=stored.ours,
    )


def used(tx: Transaction, claim: Claim | Destination, calls: int, size: int = 0) -> None:
    """Count calls that were made for a claim, whatever came of them."""
    usage.count(
        tx,
        organisation_id=claim.organisation_id,
        connection_id=claim.connection_id,
        calls=calls,
        size=size,
    )


def _digest(text: str) -> str:
    """Tells records without an id apart, so that they count among those announced."""
    return hashlib.sha256(text.encode()).hexdigest()
