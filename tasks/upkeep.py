"""Short duties that keep the house in order; beat sends each when it is due."""

import random
from datetime import timedelta

import structlog
from celery import shared_task

from connectors.errors import ConnectorError
from connectors.xero.webhooks import RESOURCES
from store import deliveries, events, expiry, files, grants, history, notices, partner_tokens
from sync.files import ITEMS
from tasks import enqueue
from tasks.base import SyncTask

log = structlog.get_logger()

# Connections that are sent for at once to fetch files.
MOST_FETCHES = 100
# Duty (a task's name) → how often.
DUTIES = {
    "upkeep.prune": timedelta(hours=1),
    "upkeep.grants": timedelta(hours=6),
    "upkeep.webhooks": timedelta(seconds=30),
    "upkeep.expiry": timedelta(hours=1),
    "upkeep.files": timedelta(minutes=1),
}


@shared_task(bind=True, base=SyncTask, name="upkeep.prune")
def prune(self: SyncTask) -> None:
    """Drop runs, presses and events after their retention times, and webhooks that nobody sends again."""
    with self.services.database.transaction() as tx:
        dropped = history.prune(tx, self.services.settings.run_retention)
        events.prune(tx, self.services.settings.event_retention)
        notices.prune(tx)
        deliveries.prune(tx)
        partner_tokens.prune(tx)
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


@shared_task(bind=True, base=SyncTask, name="upkeep.webhooks")
def look_for_missing(self: SyncTask) -> None:
    """Where one of Xero's deliveries is missing, let the lists be read that it may have been about."""
    with self.services.database.transaction() as tx:
        holes = deliveries.look_for_missing(tx, "xero", set(RESOURCES.values()))
    if holes:
        log.warning("deliveries_missing", provider="xero", holes=holes)


@shared_task(bind=True, base=SyncTask, name="upkeep.expiry")
def announce_expiry(self: SyncTask) -> None:
    """Say, 30, 7 and 1 days ahead, which consents will end unless somebody renews them."""
    with self.services.database.transaction() as tx:
        announced = expiry.announce(tx)
    for one in announced:
        log.warning(
            "consent_expiring",
            organisation=one.slug,
            provider=one.provider,
            days=one.days,
            expires_at=one.expires_at.isoformat(),
        )


@shared_task(bind=True, base=SyncTask, name="upkeep.files")
def want_files(self: SyncTask) -> None:
    """Let connections that miss files fetch for a while: only one of them, while records wait for workers."""
    with self.services.database.reading() as tx:
        wanting = files.wanting(tx, self.services.shape(ITEMS))
    is_crowded = self.services.belt.lengths(["sync"])["sync"] > 0
    chosen = random.sample(wanting, min(len(wanting), 1 if is_crowded else MOST_FETCHES))
    sent = enqueue.send_fetches(self.app, chosen)
    log.info("files_wanted", connections=len(wanting), sent=sent)
