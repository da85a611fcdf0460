"""A process's services: opened before any work is taken, or the process ends and says why."""

import sys

import structlog
from celery import Celery

from config.settings import Settings
from store import migrations
from store.database import DatabaseUnavailableError
from store.migrations import NotMigratedError
from sync.services import SHAPES, Services

log = structlog.get_logger()


def open_for(app: Celery, settings: Settings) -> Services:
    """The app's services; raises NotMigratedError or DatabaseUnavailableError before any work is taken."""
    services: Services = app.open_services(settings)
    try:
        migrations.check(services.database, SHAPES.values())
    except BaseException:
        services.close()
        raise
    app.services = services
    return services


def open_or_exit(app: Celery) -> Services:
    """The same for a process of our own: it ends with status 1 and one sentence when it cannot work.

    SystemExit is the only way out: Celery logs whatever else a start-up signal raises, and starts.
    """
    try:
        return open_for(app, app.settings)
    except (NotMigratedError, DatabaseUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
    except Exception:
        log.exception("cannot_start")
    raise SystemExit(1)
