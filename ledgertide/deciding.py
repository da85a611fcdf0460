"""The Python door for decisions: decide about a document, and wait for what becomes of it at Xero."""

import mimetypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from celery import Celery

from ledgertide.api import LOOK_AGAIN, process_app
from store import decisions, organisations
from store.decisions import OPEN, DecisionLine, File
from sync.services import Services
from tasks import deciding

__all__ = ["DecisionHandle", "DecisionLine", "File", "decide", "file_of", "push_decision"]


# It is tried again by itself, but not before somebody could come to look.
FOR_A_PERSON = frozenset({"permission missing", "needs attention"})


@dataclass(frozen=True, slots=True)
class DecisionHandle:
    """A decision on record: nothing can lose it any more."""

    decision: str
    organisation: str
    _services: Services = field(repr=False)
    _organisation_id: str = field(repr=False)

    def state(self) -> DecisionLine:
        """How far it has come."""
        with self._services.database.reading() as tx:
            return decisions.line(tx.scope(self._organisation_id), self.decision)

    def wait(self, timeout: timedelta | None = None, *, for_all: bool = False) -> DecisionLine:
        """Come back when it is confirmed, refused or a conflict, only a person can help, or time is out.

        `for_all`: when its note and files are there as well.
        """
        give_up_at = None if timeout is None else time.monotonic() + timeout.total_seconds()
        while True:
            line = self.state()
            settled = line.finished if for_all else line.outcome not in OPEN
            is_stuck = line.reason is not None and (line.until is None or line.reason in FOR_A_PERSON)
            if settled or is_stuck:
                return line
            if give_up_at is not None and time.monotonic() >= give_up_at:
                return line
            time.sleep(LOOK_AGAIN.total_seconds())


def push_decision(  # noqa: PLR0913 - by name only
    organisation: str,
    kind: str,
    document_id: str,
    decision: str,
    *,
    by: str = "python",
    idempotency_key: str | None = None,
    seen_status: str | None = None,
    seen_modified_at: datetime | None = None,
    mark_reference: bool = False,
    note: str | None = None,
    files: Sequence[File] = (),
) -> DecisionHandle:
    """Bring a decision to Xero, exactly once, ahead of all other work.

    `kind`: bill, sales_invoice, credit_note, purchase_order, quote; `decision`: approve, send_back, reject,
    void. `seen_…` is what the approver saw; without its modified time, what is stored. When Xero has it
    otherwise by then, nothing is sent, and the decision is a conflict. `mark_reference` lets the reference of
    a purchase order begin with *Rejected*, for Xero takes none back to a draft. `note` goes into the
    document's history and `files` beside it once the decision stands.

    The same `idempotency_key` is the same decision. Raises SyncRefusedError, with what to do, when it cannot
    be taken.
    """
    return decide(
        process_app(),
        organisation,
        kind,
        document_id,
        decision,
        by=by,
        idempotency_key=idempotency_key,
        seen_status=seen_status,
        seen_modified_at=seen_modified_at,
        mark_reference=mark_reference,
        note=note,
        files=files,
    )


def decide(
    app: Celery, organisation: str, kind: str, document_id: str, decision: str, **more: object
) -> DecisionHandle:
    """As `push_decision`, for whoever has an app with its services open already."""
    wished = deciding.wish(kind, document_id, decision, **more)  # type: ignore[arg-type]
    decision_id = deciding.decide(app, organisation, wished)
    with app.services.database.reading() as tx:
        found = organisations.find(tx, organisation)
    return DecisionHandle(decision_id, found.slug, app.services, found.id)


def file_of(path: Path) -> File:
    """A file to attach, under its own name."""
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(path.name, mime, path.read_bytes())
