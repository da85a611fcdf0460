"""Open the services when a worker starts, close them at its end."""

from typing import Any

import structlog
from celery.signals import worker_init, worker_shutdown

from tasks.process import open_or_exit

log = structlog.get_logger()


@worker_init.connect
def _open(sender: Any, **_: Any) -> None:
    if not hasattr(sender.app, "settings"):
        return  # an application's own worker, that only presses here
    open_or_exit(sender.app)
    log.info("worker_started", queues=",".join(sender.app.amqp.queues.consume_from))


@worker_shutdown.connect
def _close(sender: Any, **_: Any) -> None:
    if services := getattr(sender.app, "services", None):
        services.close()
        log.info("worker_stopped")
