"""The tasks that sync: one slice of a run, and the presses that ask for runs."""

from typing import Any

from celery import shared_task

from store import runs
from store.database import Transaction
from store.presses import Press
from store.runs import Claim
from sync.run import run_slice
from sync.stops import Outcome, break_off
from tasks import enqueue
from tasks.base import SliceTask, SyncTask


class RunTask(SliceTask[Claim]):
    """Works through slices of runs."""

    abstract = True
    lanes = ("now", "sync")

    def take(self, tx: Transaction, claimed_id: str, slice_number: int) -> Claim | None:
        return runs.claim(tx, claimed_id, slice_number, lease=self.services.pace.lease)

    def go(self, claim: Claim) -> Outcome:
        return run_slice(self.services, claim)

    def break_off(self, claim: Claim, error: Exception) -> Outcome:
        return break_off(self.services, claim, error)

    def about(self, claim: Claim) -> dict[str, object]:
        return {
            "organisation": claim.organisation_id,
            "connection": claim.connection_id,
            "resource": claim.resource,
            "run": claim.run_id,
            "slice": claim.slice,
        }


@shared_task(bind=True, base=RunTask, name="sync.slice")
def sync_slice(self: RunTask, run_id: str, slice_number: int) -> None:
    """Work through one slice of a run, if it is still ours to take."""
    if claim := self.claim(run_id, slice_number):
        self.work(claim)


@shared_task(bind=True, base=SyncTask, name="sync.now", ignore_result=False)
def sync_now(self: SyncTask, organisation: str, resource: str, by: str = "task") -> dict[str, Any]:
    """Bring one feed up to date, ahead of all scheduled work; answers with the receipt."""
    return receipt(enqueue.press(self.app, organisation, resource, by=by, idempotency_key=self.key))


@shared_task(bind=True, base=SyncTask, name="sync.all", ignore_result=False)
def sync_all(self: SyncTask, organisation: str, by: str = "task") -> list[dict[str, Any]]:
    """Press every feed that the provider offers the organisation; a wait of one holds up no other."""
    presses = enqueue.press_all(self.app, organisation, by=by, idempotency_key=self.key)
    return [receipt(press) for press in presses]


@shared_task(bind=True, base=SyncTask, name="sync.full", ignore_result=False)
def sync_full(self: SyncTask, organisation: str, resource: str, by: str = "task") -> dict[str, Any]:
    """Read one feed's whole list and compare it with the store; the old data stays usable meanwhile."""
    return receipt(
        enqueue.press(self.app, organisation, resource, by=by, full=True, idempotency_key=self.key)
    )


@shared_task(bind=True, base=SyncTask, name="sync.record", ignore_result=False)
def sync_record(
    self: SyncTask, organisation: str, resource: str, record_id: str, by: str = "task"
) -> dict[str, Any]:
    """Read one record again, alone, by its provider's id; answers with the receipt."""
    return receipt(
        enqueue.press(self.app, organisation, resource, by=by, record_id=record_id, idempotency_key=self.key)
    )


def receipt(press: Press) -> dict[str, Any]:
    """A press as JSON: its id, its generation, and what it waits for, if anything."""
    return {
        "press": press.id,
        "generation": press.generation,
        "waits_until": press.waits_until.isoformat() if press.waits_until else None,
        "reason": press.reason,
    }
