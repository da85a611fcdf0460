"""Short duties that keep the house in order; beat sends each when it is due."""

from datetime import timedelta

import structlog
from celery import shared_task

from connectors.errors import ConnectorError
from store import grants, history
from tasks.base import SyncTask

log = structlog.get_logger()

# Duty (a task's name) → how often.
DUTIES = {"upkeep.prune": timedelta(hours=1), "upkeep.grants": timedelta(hours=6)}


@shared_task(bind=True, base=SyncTask, name="upkeep.prune")
def prune(self: SyncTask) -> None:
    """Drop ended runs and old presses after the retention time."""
    with self.services.database.transaction() as tx:
        dropped = history.prune(tx, self.services.settings.run_retention)
    log.info("runs_pruned", dropped=dropped)


@shared_task(bind=True, base=SyncTask, name="upkeep.grants")
def keep_grants(self: SyncTask) -> None:
    """Refresh grants that nobody uses before they die of it, and seal all with the newest key."""
    services = self.services
    with services.database.transaction() as tx:
        dropped = grants.drop_unused(tx)
        resealed = grants.reseal(tx, services.vault)
    with services.database.reading() as tx:
        idle = grants.idle(tx)
    refreshed = 0
    for grant_id in idle:
        try:
            services.tokens.renewed(services.tokens.load(grant_id))
            refreshed += 1
        except ConnectorError as error:
            log.warning("grant_not_refreshed", grant=grant_id, code=error.code, why=error.sentence)
    log.info("grants_kept", dropped=dropped, resealed=resealed, refreshed=refreshed)
