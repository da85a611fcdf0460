"""The task that fetches the files of one connection's items."""

import contextlib

import structlog
from celery import shared_task

from limiter.client import LimiterUnavailableError
from store.database import DatabaseUnavailableError
from sync.files import fetch
from tasks.base import SyncTask

log = structlog.get_logger()


@shared_task(bind=True, base=SyncTask, name="files.fetch")
def fetch_files(self: SyncTask, connection_id: str) -> None:
    """Fetch for as long as a slice; what is left is sent for again within a minute."""
    with contextlib.suppress(LimiterUnavailableError):  # then no message can be sent anyway
        self.services.queueing_lock.free(("files",), connection_id)
    with structlog.contextvars.bound_contextvars(connection=connection_id):
        try:
            told = fetch(self.services, connection_id)
        except DatabaseUnavailableError as error:
            log.error("database_unavailable", why=str(error))  # noqa: TRY400 - the sentence says it all
            return
        log.info("files_fetched", stored=told.stored, failed=told.failed, ended_by=told.ended_by)
