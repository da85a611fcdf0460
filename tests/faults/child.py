"""One process of the product under test: its ordinary main, with a pace of its own and a place to die.

What is not the product's: leases of seconds instead of a minute, a clock that the harness may move, a note of
each message that is received and each slice that is taken, and the signal that the process gives itself when
it reaches its point.
"""

import json
import os
import signal
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from celery import signals

from config import points
from config.limits import XERO, Outage
from config.settings import Settings, load_settings
from store.dispatch import RESEND_AFTER
from sync.services import Pace, Services, open_services
from web.__main__ import listen
from workers.celery import own_app

# A call's deadline of 3 s, the limiter's 2 s and a fifth of the lease fit into the lease.
PACE = Pace(
    slice=timedelta(seconds=0.8),
    press_slice=timedelta(seconds=0.8),
    lease=timedelta(seconds=8),
    resend_after=timedelta(seconds=8.5),
    message_lock=timedelta(seconds=8),
    refresh_lease=timedelta(seconds=5),
)
UNHURRIED = replace(PACE, resend_after=RESEND_AFTER)
# Xero's numbers in a minute of six seconds, so that a burst still meets its limit.
LIMITS = {
    "xero": replace(
        XERO,
        minute_window=timedelta(seconds=6),
        app_window=timedelta(seconds=6),
        lease=timedelta(seconds=8),
        at_work=timedelta(seconds=8),
        lost_probe=timedelta(seconds=2),
        outage=Outage(within=timedelta(seconds=6), probe=timedelta(seconds=2)),
    )
}
DEADLINE = "3s"
# A dead worker's message comes again after this, in the product after minutes; longer than any slice.
VISIBILITY_SECONDS = 12
WEB_WORDS = ("-m", "web")  # what follows `python` in the Procfile
PAGE = 15  # so that a list has many pages, and a slice several


@dataclass(frozen=True)
class Arm:
    """Where a process gives itself a signal: at the nth time that it reaches a point."""

    point: str
    nth: int = 1
    signal: int = signal.SIGKILL


@dataclass(frozen=True)
class Birth:
    """What a process is to be."""

    name: str
    words: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    arm: Arm | None = None
    hurry: bool = True
    """Whether a lost message is missed within seconds, or as late as in the product."""

    def as_json(self) -> str:
        """For the way to the nursery."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Birth":
        """What `as_json` wrote."""
        told = json.loads(text)
        arm = Arm(**told.pop("arm")) if told["arm"] else None
        return cls(**{**told, "words": tuple(told["words"]), "arm": arm})


def live(birth: Birth) -> None:
    """Be this process until its end."""
    folder = Path(birth.folder)
    os.chdir(folder)
    _write_to(folder / f"{birth.name}.log")
    os.environ.update(birth.environment)
    watcher = _Watcher(folder, birth.name, birth.arm)
    points.watch(watcher)
    signals.task_received.connect(watcher.received)
    app = own_app(load_settings())
    app.conf.broker_transport_options["visibility_timeout"] = VISIBILITY_SECONDS
    app.open_services = partial(_open, clock=folder / "clock", pace=PACE if birth.hurry else UNHURRIED)
    if birth.words == WEB_WORDS:
        listen(app)
    else:
        app.start(list(birth.words))


def _open(settings: Settings, *, clock: Path, pace: Pace) -> Services:
    services = open_services(settings, pace=pace, limits=LIMITS)
    endpoints: Any = services.provider("xero").connector.endpoints
    for resource, endpoint in list(endpoints.items()):
        if endpoint.asks_page_size:
            endpoints[resource] = replace(endpoint, page_size=PAGE)
    threading.Thread(target=_follow, args=(clock, services), daemon=True).start()
    return services


def _follow(clock: Path, services: Services) -> None:
    """Go by the offset that the harness writes: to all processes the database's clock jumps at once."""
    while True:
        try:
            services.database.clock_offset = timedelta(seconds=float(clock.read_text()))
        except (OSError, ValueError):
            services.database.clock_offset = timedelta(0)
        time.sleep(0.05)


def _write_to(log: Path) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    os.close(out)


class _Watcher:
    """Notes what is received and what is taken, and strikes at the point."""

    def __init__(self, folder: Path, name: str, arm: Arm | None) -> None:
        self._notes = os.open(folder / f"{name}.notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._arm = arm
        self._times = 0
        self._lock = threading.Lock()

    def __call__(self, point: str) -> None:
        if point == "claim.committed":
            self._note("took")
        arm = self._arm
        if arm is None or point != arm.point:
            return
        with self._lock:
            self._times += 1
            if self._times != arm.nth:
                return
        self._note("struck", point=point)
        os.kill(os.getpid(), arm.signal)

    def received(self, request: Any, **_: Any) -> None:
        """The broker has on record that this process has a message."""
        self._note("received", task=request.id)

    def _note(self, what: str, **more: Any) -> None:
        bound = structlog.contextvars.get_contextvars()
        line = {
            "what": what,
            "pid": os.getpid(),
            "run": bound.get("run"),
            "slice": bound.get("slice"),
            **more,
        }
        os.write(self._notes, (json.dumps(line) + "\n").encode())
