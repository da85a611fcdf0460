"""A worker process as the product's own, but with leases of seconds, and with a place to die."""

import os
import signal
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from celery import Celery

from config import points
from config.limits import XERO
from config.settings import load_settings
from sync.services import Pace, open_services
from workers.celery import make_app

# A call's deadline of 2 s, the limiter's 2 s and a fifth of the lease fit into the lease.
PACE = Pace(
    lease=timedelta(seconds=6), resend_after=timedelta(seconds=6.5), message_lock=timedelta(seconds=6)
)
DEADLINE = "2s"
# Xero's own limits would make an hour of it; five at once are kept to.
ROOMY = {
    "xero": replace(XERO, minute=1_000_000, day=10_000_000, app_minute=1_000_000, lease=timedelta(seconds=6))
}


@dataclass(frozen=True)
class Arm:
    """Where a process kills itself: at the nth time that it comes to a point."""

    point: str
    nth: int


def app_of(environment: dict[str, str]) -> Celery:
    """The app of a process, which opens its services at this bench's pace."""
    app = make_app(load_settings(environment))
    app.set_default()
    app.open_services = partial(open_services, pace=PACE, limits=ROOMY)
    return app


def work(environment: dict[str, str], arm: Arm, log: str) -> None:
    """Work on decisions until the arm strikes."""
    with open(log, "ab", buffering=0) as output:  # noqa: PTH123 - its file descriptor is what counts
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    left = arm.nth

    def met(point: str) -> None:
        nonlocal left
        if point == arm.point:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    points.watch(met)
    words = ["worker", "-n", f"worker-{os.getpid()}@%h", "-Q", "push", "-c", "4"]
    app_of(environment).worker_main([*words, "--without-gossip", "--without-mingle", "-l", "WARNING"])
