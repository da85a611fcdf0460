"""The tasks of decisions: one slice of bringing one to Xero, and the door that takes one in."""

from typing import Any

from celery import shared_task

from store import pushes
from store.database import Transaction
from store.pushes import PushClaim
from sync.pushing import break_off, push
from sync.stops import Outcome
from tasks import deciding
from tasks.base import SliceTask, SyncTask


class PushTask(SliceTask[PushClaim]):
    """Works on decisions."""

    abstract = True
    lanes = ("push",)

    def take(self, tx: Transaction, claimed_id: str, slice_number: int) -> PushClaim | None:
        return pushes.claim(tx, claimed_id, slice_number, lease=self.services.pace.lease)

    def go(self, claim: PushClaim) -> Outcome:
        return push(self.services, claim)

    def break_off(self, claim: PushClaim, error: Exception) -> Outcome:
        return break_off(self.services, claim, error)

    def about(self, claim: PushClaim) -> dict[str, object]:
        return {
            "organisation": claim.destination.organisation_id,
            "connection": claim.destination.connection_id,
            "resource": claim.destination.resource,
            "decision": claim.id,
            "slice": claim.slice,
        }


@shared_task(bind=True, base=PushTask, name="decisions.slice")
def push_slice(self: PushTask, decision_id: str, slice_number: int) -> None:
    """Bring one decision on, if it is still ours to take."""
    if claim := self.claim(decision_id, slice_number):
        self.work(claim)


@shared_task(bind=True, base=SyncTask, name="decisions.push", ignore_result=False)
def push_decision(
    self: SyncTask,
    organisation: str,
    kind: str,
    document_id: str,
    decision: str,
    by: str = "task",
    **more: Any,
) -> dict[str, Any]:
    """Decide about a document; answers with the decision's id.

    `more`: `note`, `mark_reference`, and what the approver saw: `seen_status`, `seen_modified_at` (ISO).
    Files are too large for a message: they go by the Python door.
    """
    wish = deciding.wish(kind, document_id, decision, by=by, idempotency_key=self.key, **more)
    return {"decision": deciding.decide(self.app, organisation, wish)}
