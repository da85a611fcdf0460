"""What a look at the document says of a decision: done, no longer what the approver saw, or to be sent."""

from datetime import datetime, timedelta
from enum import Enum

from config.decisions import KINDS, LONGEST_REFERENCE, REJECTED, is_marked
from connectors.xero.deciding import Document
from store.pushes import PushClaim

# Xero remembers a key for six minutes from the first call that brought it, and whoever sends it again within
# them is answered as before, whatever became of the document meanwhile. We know only when we set out to send:
# until KNOWN the key surely is remembered, after FORGOTTEN surely not. Between the two nobody sends.
# https://developer.xero.com/documentation/guides/idempotent-requests/idempotency/
KNOWN = timedelta(minutes=5)
FORGOTTEN = timedelta(minutes=7)


class Verdict(Enum):
    """What is to be done."""

    DONE = "done"
    CONFLICT = "conflict"
    SEND = "send"


def judge(claim: PushClaim, document: Document, *, went_out: bool) -> Verdict:
    """Compare the document with what was decided, and with what the approver saw.

    `went_out`: something of ours may have changed it.
    """
    kind = KINDS[claim.kind]
    way = kind.ways[claim.decision]
    if kind.type and document.type != kind.type:
        return Verdict.CONFLICT
    # A mark may be an old one: it counts as ours only where one of ours went out.
    if way.is_shown_by(document.status, document.reference, marks=claim.mark_reference and went_out):
        return Verdict.DONE
    if _has_changed(claim, document):
        return Verdict.CONFLICT
    # What Xero cannot be told, or was told before, is done by being on record here.
    is_to_be_marked = claim.mark_reference and not is_marked(document.reference)
    return Verdict.SEND if claim.wanted or is_to_be_marked else Verdict.DONE


def marked(reference: str | None) -> str:
    """The reference of a document that is sent back."""
    return f"{REJECTED} {reference or ''}".strip()[:LONGEST_REFERENCE]


def may_be_under_way(claim: PushClaim, now: datetime) -> timedelta | None:
    """For how long yet a call of ours may still be worked on, whatever a look finds meanwhile."""
    if claim.sent_at is None or now - claim.sent_at >= FORGOTTEN:
        return None
    return FORGOTTEN - (now - claim.sent_at)


def must_wait(claim: PushClaim, now: datetime) -> timedelta | None:
    """How long nobody may send, because it is not known whether its key still counts."""
    is_known = claim.sent_at is not None and now - claim.sent_at < KNOWN
    return None if is_known else may_be_under_way(claim, now)


def begins_anew(claim: PushClaim, now: datetime) -> bool:
    """Whether the key counts from this sending: it was never sent, or is forgotten."""
    return may_be_under_way(claim, now) is None


def _has_changed(claim: PushClaim, document: Document) -> bool:
    if document.status != claim.seen_status:
        return True
    seen, found = claim.seen_modified_at, document.modified_at
    if seen is None or found is None:
        return claim.seen_hash is not None and claim.seen_hash != document.hash
    # Whoever told us what was seen may know whole seconds only; what was taken from the store, whose hash is
    # known, is exact: one stamp in a thousand is a whole second, and an edit in that second has to be seen.
    is_exact = claim.seen_hash is not None or seen.microsecond != 0
    return found != seen and (is_exact or found.replace(microsecond=0) != seen)
