"""Open the services when a worker starts, close them at its end."""

import gc
import sys
from typing import Any

import structlog
from celery.signals import worker_init, worker_shutdown

from tasks.process import open_or_exit

log = structlog.get_logger()

# How long one thread may keep the others from going on. Python's 5 ms let whoever reads pages of a thousand
# documents keep 300 others waiting for 1.35 times as long (p95) as without it; with 2 ms it was 1.21 times,
# with half of one 1.01 to 1.13, and as many documents were read.
SWITCH_SECONDS = 0.0005


@worker_init.connect
def _open(sender: Any, **_: Any) -> None:
    if not hasattr(sender.app, "settings"):
        return  # an application's own worker, that only presses here
    open_or_exit(sender.app)
    sys.setswitchinterval(SWITCH_SECONDS)
    # What is there by now stays: to look through it for garbage over and over took a fifth of parsing a page.
    gc.collect()
    gc.freeze()
    log.info("worker_started", queues=",".join(sender.app.amqp.queues.consume_from))


@worker_shutdown.connect
def _close(sender: Any, **_: Any) -> None:
    if services := getattr(sender.app, "services", None):
        services.close()
        log.info("worker_stopped")
