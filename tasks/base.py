"""What every task of ours has: the process's services, its log context, and how an outcome is told."""

import contextlib
import time
from typing import ClassVar, Generic, TypeVar

import structlog
from celery import Task

from config.points import reached
from limiter.client import LimiterUnavailableError
from store.database import DatabaseUnavailableError, Transaction
from store.runs import LeaseLostError
from sync.services import Services
from sync.stops import Outcome
from tasks import enqueue

log = structlog.get_logger()
C = TypeVar("C")


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


class SliceTask(SyncTask, Generic[C]):
    """A task that works through one slice of what is claimed in SQL: a run's, or a decision's."""

    abstract = True
    lanes: ClassVar[tuple[str, ...]]
    """The queues that its messages may wait on."""

    def take(self, tx: Transaction, claimed_id: str, slice_number: int) -> C | None:
        """Claim it in SQL."""
        raise NotImplementedError

    def go(self, claim: C) -> Outcome:
        """Work through it."""
        raise NotImplementedError

    def break_off(self, claim: C, error: Exception) -> Outcome:
        """Back off from what nobody foresaw."""
        raise NotImplementedError

    def about(self, claim: C) -> dict[str, object]:
        """What each log line of the slice says."""
        raise NotImplementedError

    def claim(self, claimed_id: str, slice_number: int) -> C | None:
        """Take the slice, if it is still there to take. Its message is used up either way."""
        with contextlib.suppress(LimiterUnavailableError):  # then no message can be sent anyway
            self.services.queueing_lock.free(self.lanes, claimed_id, slice_number)
        reached("claim.begun")
        try:
            with self.services.database.transaction() as tx:
                return self.take(tx, claimed_id, slice_number)
        except DatabaseUnavailableError as error:
            # Beat sends the message again when it has waited long enough to be taken for lost.
            log.error("database_unavailable", why=str(error), claimed=claimed_id)  # noqa: TRY400 - it says it all
            return None

    def work(self, claim: C) -> None:
        """Work through a claimed slice, publish what follows from it, and log what became of it."""
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(**self.about(claim)):
            reached("claim.committed")
            try:
                outcome = self._outcome(claim)
            except LeaseLostError as error:
                log.warning("lease_lost", why=str(error))
                return
            except DatabaseUnavailableError as error:
                # It stays ours on paper until its lease runs out; then beat sends it again.
                log.error("database_unavailable", why=str(error))  # noqa: TRY400 - the sentence says it all
                return
            reached("slice.ended")
            enqueue.publish(self.app, outcome.messages)
            reached("slice.told")
            _tell(outcome, time.monotonic() - began)

    def _outcome(self, claim: C) -> Outcome:
        try:
            return self.go(claim)
        except (LeaseLostError, DatabaseUnavailableError):
            raise
        except Exception as error:
            # The task's edge: whatever it is becomes a log line and a back-off, never a hot loop.
            log.exception("slice_broke_off")
            return self.break_off(claim, error)


def _tell(outcome: Outcome, seconds: float) -> None:
    log.info(
        "slice_ended",
        state=outcome.state,
        reason=outcome.reason,
        newest_event=outcome.newest_event,
        seconds=round(seconds, 3),
    )
