"""How much one organisation's huge import delays the others, and how soon a press starts behind a backlog.

    python -m bench.fairness [--organisations 300] [--documents 60000] [--seconds 40] [--due 100000]

Real processes of the Procfile on PostgreSQL and Redis, the sandbox as provider. A wait is from a feed's slot
to its run's claim, a moment before its first request. Windows with and without the import take turns, so that
a machine that slows down slows both. Xero lets a page of 1,000 documents through each second: while it lasts,
an import of 500,000 looks like one of 60,000, which each window begins anew. Prints each limit beside what
came of it; exit status 1 when one is broken, or when the import was over before its window.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import redis
from celery import Celery
from sqlalchemy import func, select, update

from bench import plain
from config.settings import environment_with, load_settings
from connectors.xero import ENDPOINTS
from ledgertide.embedded.processes import Processes, read_procfile
from ledgertide.embedded.system import PROCFILE
from ledgertide.embedded.valkey import Valkey
from sandbox.testing import Sandbox
from store import migrations
from store.feeds import next_due
from store.models import connections, feeds, runs
from sync.services import SHAPES, open_services
from tasks import enqueue
from tests.integration.engine import Engine
from tests.services.installation import environment_for
from tests.services.postgres import PostgresServer, embedded_cluster

SMALL, HUGE, PRESSED = "xero.tax_rates", "xero.invoices", "xero.contacts"
CADENCE = timedelta(seconds=60)
MOST = 1.2  # times as long may 95 % of the others wait, with the import
PRESSES = 20
DAY = 1_000_000  # calls: minutes instead of hours would not fit into a day's ration
OURS = ("beat", "worker", "worker_now")


@dataclass
class Place:
    """Everything that was started, and how to start more of it."""

    engine: Engine
    processes: Processes
    environment: dict[str, str]
    redis_url: str


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--organisations", type=int, default=300)
    parser.add_argument("--documents", type=int, default=60_000)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--due", type=int, default=100_000)
    options = parser.parse_args()
    flaws = beside_an_import(options) + behind_a_backlog(options.due)
    say(*(flaws or ["fair and prompt"]))
    return 1 if flaws else 0


def beside_an_import(options: argparse.Namespace) -> list[str]:
    """The others' waits with and without it; returns what is wrong."""
    waits: dict[bool, list[float]] = {False: [], True: []}
    flaws: list[str] = []
    with place(options.organisations + 1) as here:
        (big,) = here.engine.connect(resources=[HUGE], which=[0])
        here.engine.connect(resources=[SMALL], which=range(1, options.organisations + 1))
        hurry(here.engine)
        switch(here.engine, on=False)
        here.engine.sandbox.edit(here.engine.tenants[big], HUGE, "add", count=options.documents)
        here.processes.start(OURS, here.environment)
        await_fresh(here.engine)
        for _ in range(options.rounds):
            for importing in (False, True):
                switch(here.engine, on=importing)
                before = stored(here.engine)
                found = window(here.engine, options.seconds)
                waits[importing] += found
                say(told(importing, found, stored(here.engine) - before))
                if importing and not is_importing(here.engine):
                    flaws.append("the import was over before its window: give it more --documents")
    ratio = p95(waits[True]) / p95(waits[False])
    say(
        f"p95 with it {p95(waits[True]):.2f} s, without it {p95(waits[False]):.2f} s: "
        f"{ratio:.2f} times as long, limit {MOST}"
    )
    return flaws + ([f"the others wait {ratio:.2f} times as long"] if ratio > MOST else [])


def behind_a_backlog(due: int) -> list[str]:
    """How long a press waits for its first request behind so many due feeds; Celery alone beside it."""
    each = sum(not endpoint.shape.off for endpoint in ENDPOINTS)
    with place(organisations := math.ceil(due / each)) as here:
        alone = presses_of_celery_alone(here, due)
        slugs = here.engine.connect(which=range(organisations))
        waiting = make_all_due(here.engine)
        here.processes.start(OURS, here.environment)
        until_reads(here.engine)
        ours = [press(here.engine, slug) for slug in slugs[-PRESSES:]]
        left = never_read(here.engine)
    say(
        f"press to first request behind {waiting} due feeds ({left} still due at the end): "
        f"p50 {statistics.median(ours):.2f} s, longest {max(ours):.2f} s",
        f"Celery's own dedicated queue beside {due} messages: "
        f"p50 {statistics.median(alone):.2f} s, longest {max(alone):.2f} s",
    )
    return [] if left else ["the backlog was gone before the last press: the number says nothing"]


@contextmanager
def place(organisations: int) -> Iterator[Place]:
    """Servers and an engine; nothing is connected, no process started."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledgertide-fairness-")))
        valkey = stack.enter_context(Valkey(folder / "redis"))
        cluster = stack.enter_context(embedded_cluster())
        sandbox = stack.enter_context(Sandbox.start(organisations=organisations, seed=7))
        server = PostgresServer(cluster.admin)
        given = environment_for(server.url(server.create()), valkey.url, sandbox, worker_concurrency="20")
        settings = load_settings(given)
        migrations.upgrade(settings.database_url.get_secret_value(), SHAPES.values())
        services = open_services(settings)
        stack.callback(services.close)
        engine = Engine(services, sandbox)
        stack.callback(engine.app.close)
        sandbox.limits(day=DAY)
        processes = Processes(read_procfile(PROCFILE) | plain.COMMANDS, folder / "log")
        stack.callback(processes.stop)
        more = {"PLAIN_BROKER": valkey.url.removesuffix("/0") + "/1", "PLAIN_URL": f"{sandbox.url}/nothing"}
        yield Place(engine, processes, environment_with(given | more), valkey.url)


# --- beside an import -----------------------------------------------------------------------------


def hurry(engine: Engine) -> None:
    """Every list once a minute."""
    seconds = int(CADENCE.total_seconds())
    with engine.services.database.transaction() as tx:
        quick = {"cadence_seconds": seconds, "phase_seconds": feeds.c.phase_seconds % seconds}
        tx.execute(update(feeds).values(quick))
        tx.execute(update(connections).values(day_limit=DAY))


def switch(engine: Engine, *, on: bool) -> None:
    """Let the big one import, from the beginning, or hold it."""
    anew = {"newest_at": None, "cursor": None, "full_cursor": None, "last_full_read_at": None} if on else {}
    with engine.services.database.transaction() as tx:
        now = {"due_at": tx.now} if on else {}
        tx.execute(update(feeds).where(feeds.c.resource == HUGE).values(enabled=on, **anew, **now))


def is_importing(engine: Engine) -> bool:
    """Whether the big one's first read is not at its end."""
    unread = select(feeds.c.id).where(feeds.c.resource == HUGE, feeds.c.newest_at.is_(None))
    with engine.services.database.reading() as tx:
        return tx.execute(unread).first() is not None


def await_fresh(engine: Engine) -> None:
    """Every small list was read once."""
    unread = select(feeds.c.id).where(feeds.c.resource == SMALL, feeds.c.last_success_at.is_(None)).limit(1)
    await_none(engine, unread)


def window(engine: Engine, seconds: float) -> list[float]:
    """The waits of the others' slots that fell into a window of so many seconds."""
    time.sleep(5)  # what the switch has changed shows from here on
    with engine.services.database.reading() as tx:
        began = tx.now
    time.sleep(seconds)
    over = began + timedelta(seconds=seconds)
    unread = select(feeds.c.id).where(feeds.c.resource == SMALL, feeds.c.due_at < over).limit(1)
    await_none(engine, unread)
    query = (
        select(runs.c.first_read_at, runs.c.opened_at, feeds.c.phase_seconds)
        .join(feeds, feeds.c.id == runs.c.feed_id)
        .where(runs.c.resource == SMALL, runs.c.first_read_at.is_not(None))
    )
    with engine.services.database.reading() as tx:
        rows = tx.execute(query).all()
    slots = [(slot_of(row.opened_at, row.phase_seconds), row.first_read_at) for row in rows]
    return [(read - slot).total_seconds() for slot, read in slots if began <= slot < over]


def slot_of(opened_at: datetime, phase_seconds: int) -> datetime:
    """The slot that a run was opened for: the last one before it."""
    return next_due(opened_at - CADENCE, phase=timedelta(seconds=phase_seconds), cadence=CADENCE)


def stored(engine: Engine) -> int:
    """How many documents the big one's runs have gone through."""
    with engine.services.database.reading() as tx:
        total = select(func.sum(runs.c.seen)).where(runs.c.resource == HUGE)
        return int(tx.execute(total).scalar_one() or 0)


def told(importing: bool, waits: list[float], documents: int) -> str:
    """One window, for people to read."""
    what = f"with the import ({documents} documents)" if importing else "without it"
    p50, longest = statistics.median(waits), max(waits)
    return (
        f"{what}: {len(waits)} slots waited p50 {p50:.2f} s, p95 {p95(waits):.2f} s, longest {longest:.2f} s"
    )


def p95(values: list[float]) -> float:
    """The smallest value that 95 % do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


# --- behind a backlog -----------------------------------------------------------------------------


def make_all_due(engine: Engine) -> int:
    """Every list is due, and was an hour ago; returns how many."""
    with engine.services.database.transaction() as tx:
        due = update(feeds).where(feeds.c.enabled).values(due_at=tx.now - timedelta(hours=1))
        return int(tx.execute(due).rowcount)


def never_read(engine: Engine) -> int:
    """How many lists were never read."""
    unread = select(func.count()).where(feeds.c.enabled, feeds.c.last_success_at.is_(None))
    with engine.services.database.reading() as tx:
        return int(tx.execute(unread).scalar_one())


def until_reads(engine: Engine) -> None:
    """The workers work at the backlog."""
    done = select(func.count()).where(runs.c.state == "done")
    while True:
        with engine.services.database.reading() as tx:
            if int(tx.execute(done).scalar_one()) >= 100:
                return
        time.sleep(0.2)


def press(engine: Engine, slug: str) -> float:
    """Press for one list; returns the seconds until its first request, by the sandbox's log."""
    last, began = engine.sandbox.last_call(), time.monotonic()
    enqueue.press(engine.app, slug, PRESSED, by="bench")
    while True:
        calls = engine.sandbox.calls(last)
        if any(call["endpoint"] == "Contacts" and call["tenant"] == engine.tenants[slug] for call in calls):
            return time.monotonic() - began
        time.sleep(0.02)


def presses_of_celery_alone(here: Place, due: int) -> list[float]:
    """The same by a plain Celery with a dedicated queue, its backlog in Redis."""
    broker = here.environment["PLAIN_BROKER"]
    with Celery("sender", broker=broker) as app, redis.Redis.from_url(broker) as client:
        with app.producer_or_acquire() as producer:
            for _ in range(due):
                app.send_task("plain.read", queue=plain.BACKLOG, producer=producer, ignore_result=True)
        here.processes.start(plain.COMMANDS, here.environment)
        waits = []
        for number in range(PRESSES + 1):
            app.send_task("plain.read", (time.time(),), queue=plain.PRESSES, ignore_result=True)
            waits.append(float(client.blpop([plain.STARTED], timeout=60)[1]))
            if number == 0:
                waits.clear()  # the workers were starting
    here.processes.stop()
    return waits


def await_none(engine: Engine, query: object) -> None:
    """Come back when a query finds nothing any more."""
    while True:
        with engine.services.database.reading() as tx:
            if tx.execute(query).first() is None:
                return
        time.sleep(0.2)


def say(*lines: str) -> None:
    """At once, also into a pipe."""
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
