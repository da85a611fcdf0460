"""What every task of ours has: the process's services, its log context, and how an outcome is told."""

import contextlib
import time

import structlog
from celery import Task

from config.points import reached
from limiter.client import LimiterUnavailableError
from store import runs
from store.database import DatabaseUnavailableError
from store.runs import Claim, LeaseLostError
from sync.run import run_slice
from sync.services import Services
from sync.stops import Outcome, break_off
from tasks import enqueue

log = structlog.get_logger()


class SyncTask(Task):  # type: ignore[misc]  # celery has no types
    """A task with this process's services."""

    abstract = True

    @property
    def services(self) -> Services:
        """Opened when the process starts (tasks.process)."""
        services: Services = self.app.services
        return services

    @property
    def key(self) -> str | None:
        """The same for every copy of this message: the broker may deliver it again."""
        return f"task:{self.request.id}" if self.request.id else None

    def claim(self, run_id: str, slice_number: int) -> Claim | None:
        """Take the slice, if it is still there to take. Its message is used up either way."""
        with contextlib.suppress(LimiterUnavailableError):  # then no message can be sent anyway
            self.services.queueing_lock.free(("now", "sync"), run_id)
        reached("claim.begun")
        try:
            with self.services.database.transaction() as tx:
                return runs.claim(tx, run_id, slice_number, lease=self.services.pace.lease)
        except DatabaseUnavailableError as error:
            # Beat sends the message again when it has waited long enough to be taken for lost.
            log.error("database_unavailable", why=str(error), run=run_id)  # noqa: TRY400 - it says it all
            return None

    def work(self, claim: Claim) -> None:
        """Work through a claimed slice, publish what follows from it, and log what became of it."""
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(
            organisation=claim.organisation_id,
            connection=claim.connection_id,
            resource=claim.resource,
            run=claim.run_id,
            slice=claim.slice,
        ):
            reached("claim.committed")
            try:
                outcome = self._outcome(claim)
            except LeaseLostError as error:
                log.warning("lease_lost", why=str(error))
                return
            except DatabaseUnavailableError as error:
                # The run stays ours on paper until its lease runs out; then beat sends it again.
                log.error("database_unavailable", why=str(error))  # noqa: TRY400 - the sentence says it all
                return
            reached("slice.ended")
            enqueue.publish(self.app, outcome.messages)
            reached("slice.told")
            _tell(outcome, time.monotonic() - began)

    def _outcome(self, claim: Claim) -> Outcome:
        try:
            return run_slice(self.services, claim)
        except (LeaseLostError, DatabaseUnavailableError):
            raise
        except Exception as error:
            # The task's edge: whatever it is becomes a log line and a backed-off run, never a hot loop.
            log.exception("slice_broke_off")
            return break_off(self.services, claim, error)


def _tell(outcome: Outcome, seconds: float) -> None:
    log.info(
        "slice_ended",
        state=outcome.state,
        reason=outcome.reason,
        newest_event=outcome.newest_event,
        seconds=round(seconds, 3),
    )
