"""The places where a process may die with work half done, by name: proofs kill there."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

# Point → what a death there leaves behind.
POINTS: Mapping[str, str] = MappingProxyType(
    {
        "press.recorded": "a press on record, no message for it",
        "publish.locked": "the queueing lock taken, no message sent",
        "publish.sent": "messages sent, whoever sent them gone",
        "claim.begun": "a message taken up, its queueing lock freed, nothing claimed",
        "claim.taken": "a claim that is not committed",
        "claim.committed": "a run that is claimed, and nobody who works on it",
        "call.permitted": "a place at the limiter taken, no call made",
        "call.answered": "an answer of the provider that the limiter was not told of",
        "page.read": "a page that is not stored",
        "page.written": "a page, its cursor and its events written, not committed",
        "page.committed": "a page stored, its run not at its end",
        "vanish.concluded": "a full read judged, not committed",
        "run.ended": "a run's end written, not committed",
        "run.released": "a used-up slice given back, not committed",
        "run.yielded": "a comparison that made way, not committed",
        "run.snoozed": "a run that shall wait, not committed",
        "decision.recorded": "a decision on record, no message for it",
        "decision.looked": "a document looked at, nothing sent",
        "decision.sending": "on record that it goes out, and nothing went out",
        "decision.answered": "Xero has done it, and only the dead process was told",
        "decision.unclear": "sent without an answer, not looked at since",
        "decision.settled": "what became of a decision written, not committed",
        "decision.confirmed": "a decision that stands, its note and files not brought",
        "decision.noting": "a note looked for, not sent",
        "decision.noted": "a note in Xero, not on record as done",
        "decision.attaching": "a file looked for, not sent",
        "decision.attached": "a file in Xero, not on record as done",
        "decision.stored": "the document as we left it written to the store, not committed",
        "decision.ended": "a decision's end written, not committed",
        "slice.ended": "what became of a slice committed, what follows from it not sent",
        "slice.told": "all done, the message not acknowledged",
        "refresh.begun": "the intent to refresh a grant on record, nothing sent",
        "refresh.answered": "a rotated pair that only the dead process had",
        "refresh.saved": "a rotated pair saved, not used yet",
        "tick.begun": "a tick that has looked at Redis alone",
        "tick.turn": "a beat's turn taken",
        "tick.planned": "runs opened and marked as sent, not committed",
        "tick.committed": "runs opened and marked as sent, no message sent",
        "tick.sent": "presses sent, scheduled work not",
    }
)

# Those of a push into Dext, for a walk of its own.
PUSH_POINTS: Mapping[str, str] = MappingProxyType(
    {
        "hop.pressed": "one of Xero's lists pressed for, not yet on record that the push waits for it",
        "hop.waiting": "what the push waits for written, not committed",
        "push.looked": "what has to be sent known to the dead process alone",
        "push.planned": "what has to be sent written, not committed",
        "push.sending": "a call on record as sent, and not sent",
        "push.answered": "an answer of Dext's that nobody else knows",
        "push.noted": "how far a call has come written, not committed",
        "push.ended": "a push's end written, not committed",
    }
)

# Those of a webhook that comes in.
WEB_POINTS: Mapping[str, str] = MappingProxyType(
    {
        "delivery.written": "what a webhook tells written, not committed (Xero's on PostgreSQL: committed)",
        "delivery.kept": "what a webhook tells on record, whoever sent it not answered",
    }
)

_watch: Callable[[str], None] | None = None


def reached(point: str) -> None:
    """Tell whoever watches that this point was reached; nobody does in the product's own processes."""
    if _watch is not None:
        _watch(point)


def watch(watcher: Callable[[str], None] | None) -> None:
    """Call this at each point from now on, in this whole process; None ends it."""
    global _watch  # noqa: PLW0603 - one per process is the point
    _watch = watcher
