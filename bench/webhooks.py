"""Webhooks in a storm, on the whole product: are they answered at once, is every true change here soon?

    python -m bench.webhooks [--events 3500] [--storm 5000] [--at-once 50] [--database-url URL]

Starts what `make run` starts, lets the sandbox's Xero tell of edits (doubled, overtaken, forged beside them),
half of them at one organisation, then measures the answers by a sender of its own. Prints each limit beside
what came of it; exit status 1 when one is broken.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from sqlalchemy import func, select

from config.logging import configure
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.system import Plan, System, embedded
from ledgertide.embedded.webhooks import subscribe
from sandbox.testing import Sandbox
from store import status
from store.models import notices, runs
from store.notices import APART
from store.tables import table_of
from sync.services import SHAPES, Services, open_services

TOLD = ("xero.contacts", "xero.invoices", "xero.credit_notes")
STORMED = "xero.invoices"
HABITS = {"together": 1, "double": 0.2, "forge": 0.1, "overtake": 0.2}
IN_ONE_EDIT = 25
STORED_WITHIN = timedelta(seconds=20)
ANSWERED_WITHIN_MS = 100
LOOK_EVERY_SECONDS = 0.5
ANSWERS = 5_000


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

    def look(self) -> None:
        """Take up what was written since the last look."""
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
    parser.add_argument("--database-url", help="an empty database, instead of an SQLite file of its own")
    options = parser.parse_args()
    brought = {"LEDGERTIDE_XERO_WEBHOOK_KEYS": f"{token_urlsafe(24)},{token_urlsafe(24)}"}
    brought |= {"LEDGERTIDE_DATABASE_URL": options.database_url} if options.database_url else {}
    configure("CRITICAL")
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder) / "var", organisations=options.organisations, settings=brought)
        with embedded(plan, print) as system:
            services = open_services(system.settings)
            try:
                return _measure(system, services, options)
            finally:
                services.close()


def _measure(system: System, services: Services, options: argparse.Namespace) -> int:
    sandbox = Sandbox(system.doors.url)
    sandbox.limits(minute=100_000, day=10_000_000, app_minute=1_000_000)
    connect_sandbox(services, system.doors)
    print("Waiting until every list that webhooks tell of was read once ...")
    _until(lambda: _all_read(services), timedelta(minutes=10))
    if not subscribe(system):
        print("The web process does not listen.")
        return 1
    sandbox.webhooks(at_once=options.at_once, **HABITS)
    began, watch = datetime.now(UTC), Watch(services)
    edits = _storm(sandbox, watch, options)
    _until(lambda: not sandbox.posted(sys.maxsize)["under_way"], timedelta(minutes=5), watch.look)
    _until(lambda: False, STORED_WITHIN + APART, watch.look)
    print(f"{ANSWERS} more by a sender of its own, {options.at_once} at once ...")
    return _judge(sandbox, services, watch, edits, began, _answers(system, options.at_once))


def _answers(system: System, at_once: int) -> list[float]:
    """How many milliseconds each answer took, quickest first."""
    settings = system.settings
    url = f"http://127.0.0.1:{settings.web_port}/hooks/xero"
    command = [sys.executable, "-m", "bench.sender", url, str(ANSWERS), str(at_once)]
    key = settings.xero_webhook_keys[-1].get_secret_value()
    ended = subprocess.run(command, input=key, capture_output=True, text=True, check=True)
    return sorted(json.loads(ended.stdout))


def _storm(sandbox: Sandbox, watch: Watch, options: argparse.Namespace) -> list[Edit]:
    """Edits without a pause but for looks at the store, half of them at one organisation."""
    source = random.Random(7)
    tenants = [tenant["tenant_id"] for tenant in sandbox.tenants()]
    sizes = {tenant: len(sandbox.dump(tenant, STORMED)) for tenant in tenants}
    stormed = max(sizes, key=lambda tenant: sizes[tenant])
    others = [tenant for tenant in tenants if tenant != stormed]
    places = [(stormed, STORMED)] * (options.storm // IN_ONE_EDIT)
    places += [(source.choice(others), source.choice(TOLD)) for _ in range(options.events // IN_ONE_EDIT)]
    source.shuffle(places)
    print(f"{len(places) * IN_ONE_EDIT} edits, {options.storm} of them at one organisation's {STORMED} ...")
    edits, looked_at = [], 0.0
    for tenant, resource in places:
        at = datetime.now(UTC)
        edits.append(Edit(tenant, resource, sandbox.edit(tenant, resource, count=IN_ONE_EDIT), at))
        # The sandbox holds what waits for one of its places; it should not be what is measured.
        while sandbox.posted(sys.maxsize)["under_way"] > 2 * options.at_once:
            if time.monotonic() - looked_at > LOOK_EVERY_SECONDS:
                watch.look()
                looked_at = time.monotonic()
            time.sleep(0.02)
    return edits


def _judge(
    sandbox: Sandbox,
    services: Services,
    watch: Watch,
    edits: list[Edit],
    began: datetime,
    answers: list[float],
) -> int:
    posted = [one for one in sandbox.posted()["posted"] if one["kind"] != "ready"]
    taken = sorted(one["milliseconds"] for one in posted if one["kind"] != "forged")
    true_events = len({one["first"] for one in posted if one["kind"] == "true"})
    delays = [watch.delay(record_id, edit.at) for edit in edits for record_id in edit.ids]
    stored = sorted(delay for delay in delays if delay is not None)
    lost, late = delays.count(None), sum(delay > STORED_WITHIN for delay in stored)
    p99 = answers[int(len(answers) * 0.99)]
    kept, starts = _from_the_store(services, began)
    gaps = [later - earlier for ones in starts.values() for earlier, later in pairwise(sorted(ones))]
    forged = [one["status"] for one in posted if one["kind"] == "forged"]
    refused = sum(one["status"] != 200 for one in posted if one["kind"] != "forged")
    seen = taken[int(len(taken) * 0.99)]
    wrongly = len(forged) - forged.count(401)
    middle, longest, shortest = (
        answers[len(answers) // 2],
        stored[-1].total_seconds(),
        min(gaps, default=APART),
    )
    lines = (
        ("deliveries", f"{len(posted)}, of them {len(forged)} forged", "", True),
        (
            "99 of 100 answered within",
            f"{p99:.0f} ms (middle {middle:.0f})",
            "100 ms",
            p99 <= ANSWERED_WITHIN_MS,
        ),
        ("  as the busy sandbox saw it", f"{seen:.0f} ms", "", True),
        ("true ones not taken", str(refused), "0", refused == 0),
        ("forged ones not refused", str(wrongly), "0", wrongly == 0),
        ("notices kept, for true events", f"{kept} for {true_events}", "equal", kept == true_events),
        ("changes never stored", f"{lost} of {len(delays)}", "0", lost == 0),
        ("longest from edit to row", f"{longest:.1f} s", "20 s", late == 0),
        ("shortest between two runs' starts", f"{shortest.total_seconds():.1f} s", "15 s", shortest >= APART),
    )
    for what, came, limit, ok in lines:
        print(f"{'ok   ' if ok else 'WRONG'}  {what:<36} {came:<26} {limit}")
    return 0 if all(ok for *_, ok in lines) else 1


def _from_the_store(services: Services, began: datetime) -> tuple[int, dict[str, list[datetime]]]:
    """How many notices were kept, and when each feed's runs by webhook began."""
    starts: dict[str, list[datetime]] = defaultdict(list)
    with services.database.reading() as tx:
        kept = int(tx.execute(select(func.count()).select_from(notices)).scalar_one())
        by_webhook = (runs.c.cause == "webhook", runs.c.first_read_at >= began)
        for row in tx.execute(select(runs.c.feed_id, runs.c.first_read_at).where(*by_webhook)):
            starts[row.feed_id].append(row.first_read_at)
    return kept, starts


def _all_read(services: Services) -> bool:
    with services.database.reading() as tx:
        lines = [line for line in status.all_lines(tx) if line.resource in TOLD]
    return bool(lines) and all(line.last_synced_at for line in lines)


def _until(holds: Callable[[], Any], within: timedelta, meanwhile: Callable[[], None] = lambda: None) -> None:
    give_up_at = time.monotonic() + within.total_seconds()
    while not holds() and time.monotonic() < give_up_at:
        meanwhile()
        time.sleep(LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
