"""The product's own processes, a worker and a door, but with leases of seconds, and with a place to die."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from celery import Celery

from config import points
from config.limits import XERO
from config.settings import load_settings
from store.decisions import File
from sync.services import Pace, open_services
from tasks import deciding
from workers.celery import make_app

# A call's deadline of 2 s, the limiter's 2 s and a fifth of the lease fit into the lease.
PACE = Pace(
    lease=timedelta(seconds=6), resend_after=timedelta(seconds=6.5), message_lock=timedelta(seconds=6)
)
DEADLINE = "2s"
# Xero's own limits would make an hour of it; five at once are kept to.
# Every third answer is lost here, after the work: a call without an answer is over at once.
ROOMY = {
    "xero": replace(
        XERO,
        minute=1_000_000,
        day=10_000_000,
        app_minute=1_000_000,
        lease=timedelta(seconds=6),
        at_work=timedelta(0),
    )
}
NOTE = "Approved by the bench"
PAPER = File("audit.pdf", "application/pdf", b"%PDF-1.7 what the approver saw")


@dataclass(frozen=True)
class Arm:
    """Where a process kills itself: at the nth time that it comes to a point."""

    point: str
    nth: int


@dataclass(frozen=True)
class Case:
    """A bill to be approved."""

    organisation: str
    document: str
    with_paper: bool


def app_of(environment: dict[str, str]) -> Celery:
    """The app of a process, which opens its services at this bench's pace."""
    app = make_app(load_settings(environment))
    app.set_default()
    app.open_services = partial(open_services, pace=PACE, limits=ROOMY)
    return app


def decide(environment: dict[str, str], arm: Arm | None, log: str, cases: Sequence[Case]) -> None:
    """Approve one after the other; whoever comes after a death begins anew, with the same keys."""
    _begin(arm, log)
    app = app_of(environment)
    app.services = app.open_services(load_settings(environment))
    for case in cases:
        wish = deciding.wish(
            "bill",
            case.document,
            "approve",
            by="bench",
            idempotency_key=case.document,
            note=NOTE,
            files=[PAPER] if case.with_paper else [],
        )
        deciding.decide(app, case.organisation, wish)


def work(environment: dict[str, str], arm: Arm | None, log: str) -> None:
    """Work on decisions until the arm strikes."""
    _begin(arm, log)
    words = ["worker", "-n", f"worker-{os.getpid()}@%h", "-Q", "push", "-c", "4"]
    app_of(environment).worker_main([*words, "--without-gossip", "--without-mingle", "-l", "WARNING"])


def _begin(arm: Arm | None, log: str) -> None:
    with open(log, "ab", buffering=0) as output:  # noqa: PTH123 - its file descriptor is what counts
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if arm is not None:
        points.watch(partial(_strike, arm, [arm.nth]))


def _strike(arm: Arm, left: list[int], point: str) -> None:
    if point == arm.point:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
