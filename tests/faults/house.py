"""A whole installation of real processes that a test may kill, freeze, cut and wipe piece by piece."""

import json
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import make_url, update

from config.points import POINTS
from config.settings import environment_with, load_settings
from ledgertide.embedded.processes import read_procfile
from ledgertide.embedded.system import PROCFILE
from ledgertide.embedded.valkey import Valkey, free_port
from sandbox.testing import Sandbox
from store import migrations
from store.models import connections, feeds
from store.presses import Press
from sync.services import SHAPES, Services, open_services
from tasks import enqueue
from tests.faults.child import DEADLINE, LIMITS, PACE, WEB_WORDS, Arm, Birth
from tests.faults.nursery import Nursery
from tests.faults.proxy import Proxy
from tests.integration.engine import Engine
from tests.services.installation import environment_for
from tests.services.postgres import Cluster, PostgresServer, embedded_cluster

# Lists of each habit: sought by their modified time, whole, from the last page to the first, in pages of 100.
RESOURCES = ("xero.contacts", "xero.invoices", "xero.quotes", "xero.tax_rates", "xero.manual_journals")
CADENCE = timedelta(seconds=10)
# Of the sandbox's organisations those with some dozens or hundreds of records; the third has thousands.
PLACES = (0, 1, 3)
DAY = 1_000_000  # calls: an hour's cadence of seconds would not fit into a day's ration
TICK_SECONDS = 1.0
WORKERS = ("worker1", "worker2", "worker3", "worker_now")
BEATS = ("beat1", "beat2")
WEB = ("web",)
# Where somebody in this house can die. Nobody here decides: test_decisions_survive.py walks those steps.
STEPS = tuple(point for point in POINTS if not point.startswith("decision."))


@dataclass
class Process:
    """One of the product's, now alive or not."""

    name: str
    pid: int
    log_began: int
    """How long the log was before it."""


class House:
    """Everything, and what may be done to it; made by `house`."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: Engine,
        valkey: Valkey,
        cluster: Cluster | None,
        proxies: dict[str, Proxy],
        environment: dict[str, str],
        nursery: Nursery,
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.services: Services = engine.services
        self.sandbox: Sandbox = engine.sandbox
        self.valkey = valkey
        self.cluster = cluster
        self.proxies = proxies
        self.slugs: list[str] = []
        self.kind = "postgresql" if cluster else "sqlite"
        self._environment = environment
        self._nursery = nursery
        self._processes: dict[str, Process] = {}

    # --- processes -----------------------------------------------------------------------------

    def start(self, *names: str, arm: Arm | None = None, hurry: bool = True) -> None:
        """Start processes of the Procfile: `beat1`, `worker2`, `worker_now`, `web`; the last may be armed."""
        for name in names:
            armed, began = arm if name == names[-1] else None, len(self.log(name))
            birth = Birth(name, words_of(name), self._environment, str(self.folder), armed, hurry)
            self._processes[name] = Process(name, self._nursery.bear(birth), began)

    def started(self, name: str) -> bool:
        """Whether the present process of this name does its work."""
        said = " ready." if name.startswith("worker") else "beat_started"  # not before it heeds SIGTERM
        return said in self.log(name)[self._processes[name].log_began :]

    def await_started(self, *names: str) -> None:
        """Come back when the present processes of these names do their work."""
        until(lambda: all(map(self.started, names)), 60, f"{', '.join(names)} at work")

    def pid(self, name: str) -> int:
        """The present process's id."""
        return self._processes[name].pid

    def send(self, name: str, number: signal.Signals) -> int:
        """Send a process a signal; returns its id."""
        pid = self.pid(name)
        if self._nursery.ended(pid) is None:
            os.kill(pid, number)
        return pid

    def end(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal that ends it, and wait for that; returns the exit status."""
        return self._nursery.await_end(self.send(name, number))

    def is_there(self, name: str) -> bool:
        """Whether one of this name was started and has not ended."""
        return name in self._processes and self.is_alive(name)

    def is_alive(self, name: str) -> bool:
        """Whether the present process of this name has not ended."""
        return self._nursery.ended(self.pid(name)) is None

    def await_end(self, name: str, within: float) -> int:
        """Wait for it to end by itself."""
        return self._nursery.await_end(self.pid(name), within)

    def log(self, name: str) -> str:
        """What all processes of this name have logged."""
        file = self.folder / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def notes(self, name: str) -> list[dict[str, Any]]:
        """What all processes of this name have noted: each slice taken, each blow."""
        file = self.folder / f"{name}.notes"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def noted(self, what: str) -> list[dict[str, Any]]:
        """Of the notes of all workers those of one kind."""
        return [note for name in WORKERS for note in self.notes(name) if note["what"] == what]

    # --- surroundings --------------------------------------------------------------------------

    def wipe_redis(self) -> None:
        """FLUSHALL."""
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()

    def set_clock(self, offset: timedelta) -> None:
        """Let the database's clock jump, for all processes and for this one."""
        draft = self.folder / "clock.new"
        draft.write_text(str(offset.total_seconds()))
        draft.replace(self.folder / "clock")
        self.services.database.clock_offset = offset

    def let_pass(self, span: timedelta) -> None:
        """Here and at the provider it is so much later from now on; the processes follow within a moment."""
        self.sandbox.advance(span.total_seconds())
        self.set_clock(self.services.database.clock_offset + span)

    # --- people --------------------------------------------------------------------------------

    def press(self, slug: str, resource: str, *, full: bool = False) -> Press:
        """*Sync now*, by the one door, from a process that nobody kills."""
        return enqueue.press(self.engine.app, slug, resource, by="soak", full=full)


def words_of(name: str) -> tuple[str, ...]:
    """The Procfile's own command for a process, with a name of its own."""
    kind = name if name == "worker_now" else name.rstrip("0123456789")
    words = shlex.split(read_procfile(PROCFILE)[kind])
    if kind == "web":
        assert tuple(words[1:]) == WEB_WORDS
        return WEB_WORDS
    assert words[:3] == ["celery", "-A", "workers"]
    return tuple(f"{name}@%h" if "@" in word else word for word in words[3:])


def until(truth: Callable[[], Any], within: float, what: str) -> Any:
    """Look until it is true and return what it was; fail with its name when it never is."""
    deadline = time.monotonic() + within
    while not (found := truth()):
        assert time.monotonic() < deadline, f"still not so after {within} s: {what}"
        time.sleep(0.05)
    return found


@contextmanager
def house(
    kind: str,
    folder: Path,
    *,
    nursery: Nursery,
    organisations: int = 3,
    seed: int = 7,
    cadence: timedelta = CADENCE,
) -> Iterator[House]:
    """Servers, proxies and a connected engine; the product's processes are started by whoever uses it."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        valkey = stack.enter_context(Valkey(folder / "redis"))
        sandbox = stack.enter_context(Sandbox.start(organisations=len(PLACES) + 1, seed=seed, latency_ms=40))
        cluster = stack.enter_context(embedded_cluster(durable=True)) if kind == "postgresql" else None
        ports = {"redis": valkey.port, "provider": int(make_url(sandbox.url).port or 0)}
        if cluster:
            ports["database"] = cluster.port
        proxies = {name: stack.enter_context(Proxy(port)) for name, port in ports.items()}
        database_url = _database(cluster, folder)
        listens = {"web_port": str(free_port()), "xero_webhook_keys": "the key of the app"}
        given = environment_for(database_url, valkey.url, sandbox, request_deadline=DEADLINE, **listens)
        services = open_services(load_settings(given), pace=PACE, limits=LIMITS)
        stack.callback(services.close)
        migrations.upgrade(database_url, SHAPES.values())
        sandbox.limits(minute_window=LIMITS["xero"].minute_window.total_seconds(), day=DAY)
        engine = Engine(services, sandbox)
        stack.callback(engine.app.close)
        ways = {
            "LEDGERTIDE_REDIS_URL": _through(valkey.url, proxies["redis"]),
            "LEDGERTIDE_XERO_API_URL": f"http://127.0.0.1:{proxies['provider'].port}",
            "LEDGERTIDE_XERO_IDENTITY_URL": f"http://127.0.0.1:{proxies['provider'].port}",
        }
        if cluster:
            ways["LEDGERTIDE_DATABASE_URL"] = _through(database_url, proxies["database"])
        made = House(
            folder,
            engine=engine,
            valkey=valkey,
            cluster=cluster,
            proxies=proxies,
            environment=environment_with(given | ways),
            nursery=nursery,
        )
        made.slugs = engine.connect(resources=list(RESOURCES), which=PLACES[:organisations])
        _hurry(services, cadence)
        stack.callback(_end_all, made)
        yield made


def _hurry(services: Services, cadence: timedelta) -> None:
    """Slots every few seconds instead of every hour, and the calls for that."""
    seconds = int(cadence.total_seconds())
    with services.database.transaction() as tx:
        quick = {"cadence_seconds": seconds, "phase_seconds": feeds.c.phase_seconds % seconds}
        tx.execute(update(feeds).values(quick))
        tx.execute(update(connections).values(day_limit=DAY))


def _end_all(made: House) -> None:
    for process in made._processes.values():
        made.send(process.name, signal.SIGKILL)
        made._nursery.await_end(process.pid)


def _database(cluster: Cluster | None, folder: Path) -> str:
    if cluster is None:
        return f"sqlite:///{folder / 'store.sqlite'}"
    server = PostgresServer(cluster.admin)
    return server.url(server.create())


def _through(url: str, proxy: Proxy) -> str:
    return make_url(url).set(port=proxy.port).render_as_string(hide_password=False)
