"""`ledgertide run`: everything on this machine with one command, until somebody ends it."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from config.logging import configure
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.live import View, view
from ledgertide.embedded.snapshot import Observer
from ledgertide.embedded.system import Plan, System, embedded
from ledgertide.embedded.webhooks import subscribe
from ledgertide.output import say
from store.database import DatabaseUnavailableError
from sync.services import Services, open_services

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_AFTER_SECONDS = 0.5
# Of the time, at most a tenth is spent on looking, however many feeds there are.
REST_PER_LOOK = 9


def run(plan: Plan) -> None:
    """Start, show, keep alive; comes back once somebody has ended it and nothing is left running."""
    configure("CRITICAL")  # each process has its log; this one speaks through its view
    with signals_end_us():
        try:
            with embedded(plan, say) as system:
                _keep_on(system, plan.folder)
        except KeyboardInterrupt:
            say("Everything has ended. What was read is kept; the next start goes on from it.")


@contextmanager
def signals_end_us() -> Iterator[None]:
    """While this lasts, Ctrl-C, SIGTERM and a closed terminal all raise KeyboardInterrupt."""
    before = {number: signal.signal(number, _end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _keep_on(system: System, folder: Path) -> None:
    services = open_services(system.settings)
    try:
        connected = connect_sandbox(services, system.doors)
        with view(_addresses(system, folder)) as shown:
            shown.notice(
                f"{connected} organisations of the sandbox were connected."
                if connected
                else "Going on from what is known."
            )
            told = subscribe(system)
            shown.notice(
                "The sandbox tells us of every edit." if told else "The sandbox's webhooks do not arrive."
            )
            _watch(system, services, shown)
    finally:
        services.close()


def _watch(system: System, services: Services, shown: View) -> None:
    observer = Observer(services)
    all_fresh = False
    next_look = time.monotonic()
    while True:
        for notice in system.keeper.look_after():
            shown.notice(notice)
        began = time.monotonic()
        if began >= next_look:
            try:
                seen = observer.look()
            except DatabaseUnavailableError as error:
                shown.notice(str(error))
            else:
                shown.show(seen)
                if seen.feeds and seen.fresh == seen.feeds and not all_fresh:
                    all_fresh = True
                    shown.notice(f"All {seen.feeds} feeds are fresh.")
            took = time.monotonic() - began
            next_look = began + max(shown.seconds_between, REST_PER_LOOK * took)
        time.sleep(LOOK_AFTER_SECONDS)


def _addresses(system: System, folder: Path) -> list[str]:
    settings = system.settings
    return [
        (
            f"Flower: http://127.0.0.1:{settings.flower_port} (user {settings.flower_user},"
            f" password in {folder / 'flower.password'})"
        ),
        f"The sandbox in place of Xero and Dext: {system.doors.url}",
        f"Is all well: http://127.0.0.1:{settings.web_port}/healthz; numbers for Prometheus: /metrics",
        f"Logs: {folder / 'log'}",
        "In another terminal: ledgertide feeds, ledgertide sync-now ORGANISATION RESOURCE --wait",
    ]
