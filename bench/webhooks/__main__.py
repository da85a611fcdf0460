"""Webhooks in a storm, on the whole product: are they answered at once, is every true change here soon?

    python -m bench.webhooks [--events 3500] [--storm 5000] [--at-once 50] [--database sqlite]
                             [--while-importing]

Starts what `make run` starts, waits until every list was read once, edits records, half of them at one
organisation, and lets a process of its own tell of each as Xero does (doubled, overtaken, forged beside
them), as many at a time as are allowed, while all that follows from them is read. `--while-importing` waits
only for the lists that webhooks tell of: the first imports of the others take their part of the machine.
Prints each limit beside what came of it; ends with 1 when one is broken.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from bench.webhooks.judge import STORED_WITHIN, judge, what_became_of
from bench.webhooks.storm import TOLD, Sender, Sent, storm
from bench.webhooks.watch import Watch
from config.logging import configure
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.system import Plan, System, embedded
from ledgertide.embedded.webhooks import subscribe
from sandbox.testing import Sandbox
from store import status
from store.notices import APART
from sync.services import Services, open_services
from tests.services.postgres import PostgresServer, embedded_cluster


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=3500, help="true events beside the storm")
    parser.add_argument("--storm", type=int, default=5000, help="true events of one organisation's one list")
    parser.add_argument("--at-once", type=int, default=50, help="deliveries under way at a time")
    parser.add_argument("--organisations", type=int, default=6)
    parser.add_argument("--while-importing", action="store_true", help="do not wait for the other lists")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    options = parser.parse_args()
    brought = {"LEDGERTIDE_XERO_WEBHOOK_KEYS": f"{token_urlsafe(24)},{token_urlsafe(24)}"}
    configure("CRITICAL")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if options.database == "postgresql":  # else a file in the folder
            server = PostgresServer(stack.enter_context(embedded_cluster(durable=True)).admin)
            brought |= {"LEDGERTIDE_DATABASE_URL": server.url(server.create())}
        plan = Plan(Path(folder) / "var", organisations=options.organisations, settings=brought)
        system = stack.enter_context(embedded(plan, say))
        services = open_services(system.settings)
        stack.callback(services.close)
        return _measure(system, services, options)


def _measure(system: System, services: Services, options: argparse.Namespace) -> int:
    sandbox = Sandbox(system.doors.url)
    sandbox.limits(minute=100_000, day=10_000_000, app_minute=1_000_000)
    connect_sandbox(services, system.doors)
    waits_for = "every list that webhooks tell of" if options.while_importing else "every list"
    say(f"Waiting until {waits_for} was read once ...")
    resources = TOLD if options.while_importing else None
    if not _until(lambda: _all_read(services, resources), timedelta(minutes=10)):
        say("They were not within ten minutes.")
        return 1
    if not subscribe(system):
        say("The web process does not listen.")
        return 1
    sandbox.control("DELETE", "webhooks")  # it was asked whether it listens; who tells is somebody else
    watch = Watch(services)
    say(f"{options.storm} changes of one organisation's one list, and {options.events} others ...")
    with Sender(system, options.at_once) as sender:
        edits = storm(sandbox, sender, stormed=options.storm, others=options.events, meanwhile=watch.look)
        _until(lambda: not sender.under_way(), timedelta(minutes=5), watch.look)
        seconds = (datetime.now(UTC) - watch.began).total_seconds()
        sent = Sent(edits, sender.end(), seconds, options.at_once)
    _until(lambda: False, STORED_WITHIN + APART, watch.look)
    watch.look(at_once=True)
    verdicts = judge(services, watch, sent)
    for verdict in verdicts:
        say(str(verdict))
    for line in what_became_of(services, watch.latest(edits)):
        say(line)
    return 0 if all(verdict.ok for verdict in verdicts) else 1


def say(line: str) -> None:
    """At once, also into a pipe."""
    print(line, flush=True)


def _all_read(services: Services, resources: Collection[str] | None) -> bool:
    """Whether all of these were read once; None: all that are not off."""
    with services.database.reading() as tx:
        lines = [line for line in status.all_lines(tx) if line.state != "off"]
    if resources is not None:
        lines = [line for line in lines if line.resource in resources]
    return bool(lines) and all(line.last_synced_at for line in lines)


def _until(holds: Callable[[], Any], within: timedelta, meanwhile: Callable[[], None] = lambda: None) -> bool:
    """Whether it holds by then."""
    give_up_at = time.monotonic() + within.total_seconds()
    while not holds():
        if time.monotonic() > give_up_at:
            return False
        meanwhile()
        time.sleep(0.5)
    return True


if __name__ == "__main__":
    sys.exit(main())
