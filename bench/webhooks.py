"""Webhooks in a storm, on the whole product: are they answered at once, is every true change here soon?

    python -m bench.webhooks [--events 3500] [--storm 5000] [--at-once 50] [--database sqlite]

Starts what `make run` starts, edits records, half of them at one organisation, and lets a process of its own
tell of each as Xero does (doubled, overtaken, forged beside them), as many at a time as are allowed, while
all that follows from them is read. Prints each limit beside what came of it; ends with 1 when one is broken.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from secrets import token_urlsafe
from typing import IO, Any, Self, cast

from sqlalchemy import func, select

from config.logging import configure
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.system import Plan, System, embedded
from ledgertide.embedded.valkey import LOOPBACK
from ledgertide.embedded.webhooks import subscribe
from sandbox.testing import Sandbox
from store import status
from store.models import notices, runs
from store.notices import APART
from store.tables import table_of
from sync.services import SHAPES, Services, open_services
from tests.services.postgres import PostgresServer, embedded_cluster

TOLD = ("xero.contacts", "xero.invoices", "xero.credit_notes")
STORMED = "xero.invoices"
IN_ONE_EDIT = 25
STORED_WITHIN = timedelta(seconds=20)
ANSWERED_WITHIN_MS = 100
# Whoever looks takes part of the machine: rarely, but more often than a list is read.
LOOK_EVERY_SECONDS = 4.0
ASK_EVERY_SECONDS = 0.02


@dataclass
class Edit:
    """Records that were edited at the provider at this time or a moment later."""

    tenant_id: str
    resource: str
    ids: list[str]
    at: datetime


@dataclass
class Watch:
    """Notes when each version of each record was stored; with 15 s between two runs it misses none."""

    services: Services
    seen: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=lambda: defaultdict(list))
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    looked_at: float = 0.0  # monotonic

    def look(self, *, at_once: bool = False) -> None:
        """Take up what was written since the last look, unless that was just now."""
        if not at_once and time.monotonic() - self.looked_at < LOOK_EVERY_SECONDS:
            return
        self.looked_at = time.monotonic()
        with self.services.database.reading() as tx:
            now = tx.now
            for resource in TOLD:
                table = table_of(SHAPES[resource])
                query = select(table.c.id, table.c.modified_at, table.c.changed_at)
                # A row written before the last look may have been committed after it.
                for row in tx.execute(query.where(table.c.changed_at > self.since - timedelta(seconds=10))):
                    version = (row.modified_at, row.changed_at)
                    if version not in self.seen[row.id]:
                        self.seen[row.id].append(version)
        self.since = now

    def delay(self, record_id: str, at: datetime) -> timedelta | None:
        """From an edit to its record's being stored; None: it never was."""
        # Stamps have thousandths: one of the same moment counts.
        since = at - timedelta(milliseconds=1)
        stored = [stored_at for modified_at, stored_at in self.seen[record_id] if modified_at >= since]
        return min(stored) - at if stored else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=3500, help="true events beside the storm")
    parser.add_argument("--storm", type=int, default=5000, help="true events of one organisation's one list")
    parser.add_argument("--at-once", type=int, default=50, help="deliveries under way at a time")
    parser.add_argument("--organisations", type=int, default=6)
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


def say(line: str) -> None:
    """At once, also into a pipe."""
    print(line, flush=True)


def _measure(system: System, services: Services, options: argparse.Namespace) -> int:
    sandbox = Sandbox(system.doors.url)
    sandbox.limits(minute=100_000, day=10_000_000, app_minute=1_000_000)
    connect_sandbox(services, system.doors)
    say("Waiting until every list that webhooks tell of was read once ...")
    _until(lambda: _all_read(services), timedelta(minutes=10))
    if not subscribe(system):
        say("The web process does not listen.")
        return 1
    sandbox.control("DELETE", "webhooks")  # it was asked whether it listens; who tells is somebody else
    began, watch = datetime.now(UTC), Watch(services)
    with Sender(system, options.at_once) as sender:
        edits = _storm(sandbox, sender, watch, options)
        _until(lambda: not sender.under_way(), timedelta(minutes=5), watch.look)
        seconds = (datetime.now(UTC) - began).total_seconds()
        posted = sender.end()
    _until(lambda: False, STORED_WITHIN + APART, watch.look)
    watch.look(at_once=True)
    return _judge(services, watch, edits, began, seconds, posted, options.at_once)


class Sender:
    """The process that tells of edits."""

    def __init__(self, system: System, at_once: int) -> None:
        url = f"http://{LOOPBACK}:{system.settings.web_port}/hooks/xero"
        command = [sys.executable, "-m", "bench.sender", url, str(at_once)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        key = system.settings.xero_webhook_keys[-1].get_secret_value()
        self._write(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def tell(self, edit: Edit) -> None:
        """Records were edited."""
        self._ask([edit.tenant_id, edit.resource, "edit", edit.ids])

    def at_hand(self) -> int:
        """How many deliveries wait for an answer, or for their turn to be sent."""
        return self._ask([])[0]

    def under_way(self) -> int:
        """How many were not taken yet, with those that are to be late."""
        return self._ask([])[1]

    def end(self) -> list[dict[str, Any]]:
        """Every attempt."""
        attempts, _ = self._process.communicate(timeout=60)
        return list(json.loads(attempts))

    def _ask(self, line: Any) -> tuple[int, int]:
        self._write(json.dumps(line))
        at_hand, under_way = json.loads(cast("IO[str]", self._process.stdout).readline())
        return int(at_hand), int(under_way)

    def _write(self, line: str) -> None:
        words = cast("IO[str]", self._process.stdin)
        words.write(line + "\n")
        words.flush()


def _storm(sandbox: Sandbox, sender: Sender, watch: Watch, options: argparse.Namespace) -> list[Edit]:
    """Edits without a pause but for looks at the store, half of them at one organisation."""
    source = random.Random(7)
    tenants = [tenant["tenant_id"] for tenant in sandbox.tenants()]
    sizes = {tenant: len(sandbox.dump(tenant, STORMED)) for tenant in tenants}
    stormed = max(sizes, key=lambda tenant: sizes[tenant])
    others = [tenant for tenant in tenants if tenant != stormed]
    places = [(stormed, STORMED)] * (options.storm // IN_ONE_EDIT)
    places += [(source.choice(others), source.choice(TOLD)) for _ in range(options.events // IN_ONE_EDIT)]
    source.shuffle(places)
    say(f"{len(places) * IN_ONE_EDIT} edits, {options.storm} of them at one organisation's {STORMED} ...")
    edits = []
    for tenant, resource in places:
        at = datetime.now(UTC)
        edits.append(Edit(tenant, resource, sandbox.edit(tenant, resource, count=IN_ONE_EDIT), at))
        sender.tell(edits[-1])
        # All places are taken, and as many wait for one; more would be late before it is sent.
        while sender.at_hand() > 2 * options.at_once:
            watch.look()
            time.sleep(ASK_EVERY_SECONDS)
    return edits


def _judge(
    services: Services,
    watch: Watch,
    edits: list[Edit],
    began: datetime,
    seconds: float,
    posted: list[dict[str, Any]],
    at_once: int,
) -> int:
    answers = sorted(one["milliseconds"] for one in posted if one["kind"] != "forged")
    true_events = len({one["first"] for one in posted if one["kind"] == "true"})
    delays = [watch.delay(record_id, edit.at) for edit in edits for record_id in edit.ids]
    stored = sorted(delay for delay in delays if delay is not None)
    lost, late = delays.count(None), sum(delay > STORED_WITHIN for delay in stored)
    under_way = sum(one["milliseconds"] for one in posted) / 1000 / seconds
    p99 = answers[int(len(answers) * 0.99)]
    kept, starts = _from_the_store(services, began)
    # A slot of the schedule may fall anywhere.
    gaps = [
        later - earlier
        for ones in starts.values()
        for (earlier, _), (later, cause) in pairwise(sorted(ones))
        if cause == "webhook"
    ]
    forged = [one["status"] for one in posted if one["kind"] == "forged"]
    refused = sum(one["status"] != 200 for one in posted if one["kind"] != "forged")
    wrongly = len(forged) - forged.count(401)
    shortest = min(gaps, default=timedelta(0))  # none: nothing was seen of what is judged
    middle, longest = answers[len(answers) // 2], stored[-1].total_seconds()
    lines = (
        ("deliveries", f"{len(posted)}, of them {len(forged)} forged", "", True),
        (
            "99 of 100 answered within",
            f"{p99:.0f} ms (middle {middle:.0f})",
            "100 ms",
            p99 <= ANSWERED_WITHIN_MS,
        ),
        (
            f"under way at a time, of {at_once}",
            f"{under_way:.0f}, {len(posted) / seconds:.0f} a second",
            "",
            True,
        ),
        ("true ones not taken", str(refused), "0", refused == 0),
        ("forged ones not refused", str(wrongly), "0", wrongly == 0),
        ("notices kept, for true events", f"{kept} for {true_events}", "equal", kept == true_events),
        ("changes never stored", f"{lost} of {len(delays)}", "0", lost == 0),
        ("longest from edit to row", f"{longest:.1f} s", "20 s", late == 0),
        (
            "gap before a run for webhooks",
            f"{shortest.total_seconds():.1f} s",
            "15 s",
            shortest >= APART,
        ),
    )
    for what, came, limit, ok in lines:
        say(f"{'ok   ' if ok else 'WRONG'}  {what:<36} {came:<26} {limit}")
    return 0 if all(ok for *_, ok in lines) else 1


def _from_the_store(services: Services, began: datetime) -> tuple[int, dict[str, list[tuple[datetime, str]]]]:
    """How many notices were kept, and when each feed's runs for changes began, and why."""
    starts: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    with services.database.reading() as tx:
        kept = int(tx.execute(select(func.count()).select_from(notices)).scalar_one())
        query = select(runs.c.feed_id, runs.c.first_read_at, runs.c.cause)
        for row in tx.execute(query.where(runs.c.cause != "full", runs.c.first_read_at >= began)):
            starts[row.feed_id].append((row.first_read_at, row.cause))
    return kept, starts


def _all_read(services: Services) -> bool:
    with services.database.reading() as tx:
        lines = [line for line in status.all_lines(tx) if line.resource in TOLD]
    return bool(lines) and all(line.last_synced_at for line in lines)


def _until(holds: Callable[[], Any], within: timedelta, meanwhile: Callable[[], None] = lambda: None) -> None:
    give_up_at = time.monotonic() + within.total_seconds()
    while not holds() and time.monotonic() < give_up_at:
        meanwhile()
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
