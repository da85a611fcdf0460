"""The Celery app: `celery -A workers …`."""

from datetime import timedelta
from typing import Any

from celery import Celery
from celery.signals import setup_logging

import tasks.decisions
import tasks.files
import tasks.sync
import tasks.upkeep  # noqa: F401 - the app brings its tasks, also where nobody works but only sends
from config.logging import configure
from config.settings import Settings, load_settings
from sync.services import open_services
from workers import lifecycle  # noqa: F401 - its signals open and close the services
from workers.broker import outlive_redis
from workers.queues import QUEUES, ROUTES

# A message whose worker died is restored by the broker after this; longer than any slice. No run
# relies on it, for beat sends a lost one again after its lease; a press by a task does until it is on record.
VISIBILITY_TIMEOUT = timedelta(minutes=10)


def make_app(settings: Settings) -> Celery:
    """The app for one process. Why each option: docs/decisions/0002-celery-and-its-pool.md."""
    redis_url = settings.redis_url.get_secret_value()
    app = Celery(
        "ledgertide",
        broker=redis_url,
        backend=redis_url,
        include=["tasks.decisions", "tasks.files", "tasks.sync", "tasks.upkeep"],
        # An application that presses has tasks and perhaps a Celery app of its own: they stay its own.
        set_as_current=False,
    )
    app.settings = settings
    app.open_services = open_services
    app.conf.update(
        task_queues=QUEUES,
        task_default_queue="now",
        task_routes=ROUTES,
        task_create_missing_queues=False,
        worker_pool="threads",
        worker_concurrency=settings.worker_concurrency,
        worker_prefetch_multiplier=1,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        result_expires=3600,
        task_send_sent_event=False,
        worker_send_task_events=True,
        worker_soft_shutdown_timeout=30,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        # However long Redis is away: Celery would give up after 100 attempts, and end with status 0.
        broker_connection_max_retries=None,
        # Every thread publishes what follows from its slice; none has to wait for a connection.
        broker_pool_limit=settings.worker_concurrency + 2,
        broker_transport_options={
            "queue_order_strategy": "priority",
            "visibility_timeout": int(VISIBILITY_TIMEOUT.total_seconds()),
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "max_connections": settings.worker_concurrency + 20,
            # Whoever publishes tries to connect for a second; beat sends what could not be sent.
            "connect_retries_timeout": 1,
            "interval_start": 0.2,
            "interval_step": 0.2,
            "socket_keepalive": True,
            "socket_connect_timeout": 1,
            "socket_timeout": 30,
            "health_check_interval": 25,
        },
        beat_scheduler="schedules.beat.DueScheduler",
        beat_max_loop_interval=1,
    )
    return app


def own_app(settings: Settings) -> Celery:
    """The app of a process that is all ours (worker, beat, Flower): the default one, with our log lines."""
    outlive_redis()
    app = make_app(settings)
    app.set_default()
    setup_logging.connect(_log_lines)
    return app


def _log_lines(**_: Any) -> None:
    configure(load_settings().log_level)


def __getattr__(name: str) -> Celery:
    """`app` is made when somebody asks for it: importing this module reads no environment."""
    if name in ("app", "celery"):
        globals()["app"] = app = own_app(load_settings())
        return app
    raise AttributeError(name)
