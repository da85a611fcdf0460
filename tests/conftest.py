"""Real services for every test: a Redis of its own, both databases, and the sandbox over HTTP.

Each worker process of a test run starts its servers when a test first asks for them; each test gets
an empty Redis and a fresh database.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis
import structlog

import limiter.client
from config.settings import Settings, load_settings
from ledgertide.embedded.valkey import Valkey
from sandbox.testing import PRELOAD, Sandbox
from tests.services.compiled import share_compiled
from tests.services.installation import environment_for
from tests.services.migrated import migrated
from tests.services.postgres import PostgresServer, embedded_server
from tests.services.read_only import ReadOnly
from tests.services.sqlite import SqliteFolder
from tests.services.tally import Tally, met
from tests.services.turns import turn

REAL_PATIENCE = limiter.client.PATIENCE_SECONDS


def pytest_configure(config: pytest.Config) -> None:
    # An error in a test's own process is told in a few lines: with every frame's variables, as structlog does
    # by itself, it would take seconds, for which the test's threads wait.
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback
    # A Redis that a busy machine lets wait is not away; tests of one that hangs ask for `real_patience`.
    limiter.client.PATIENCE_SECONDS = 5.0
    # How long an example takes says something of the machine and nothing of the code.
    hypothesis.settings.register_profile("ours", deadline=None)
    hypothesis.settings.load_profile("ours")
    # What many tests start is imported once and forked from then on.
    multiprocessing.set_forkserver_preload([PRELOAD, "bench.decisions.worker", "tests.services.terminal"])
    share_compiled()
    config.pluginmanager.register(Tally(), "tally")
    if not hasattr(config, "workerinput"):  # once for all of a run's processes
        config.pluginmanager.register(ReadOnly.of_run(), "read-only")
    config.addinivalue_line("markers", "alone: measures time, so no other test runs beside it")
    config.addinivalue_line("markers", "long: takes a minute or so, and begins before the short ones")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First who must wait for all others, while there is hardly one to wait for; then who would end last."""
    marks = ("alone", "long")
    items.sort(key=lambda item: [item.get_closest_marker(mark) is None for mark in marks])


@pytest.fixture(autouse=True)
def _turn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    given = os.environ.get("TURNS_FOLDER")  # several test runs that share a machine share a folder
    if given is None and "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    folder = Path(given) if given else tmp_path_factory.getbasetemp().parent
    with turn(folder, alone=request.node.get_closest_marker("alone") is not None):
        yield


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The Redis that this worker's tests share, one after the other."""
    with Valkey(tmp_path_factory.mktemp("redis"), persistent=False) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Valkey) -> str:
    """The address of an empty Redis."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Valkey]:
    """A Redis that the test may stop and start again: it keeps its address and its data."""
    with Valkey(tmp_path / "own-redis") as server:
        yield server


@pytest.fixture
def real_patience(monkeypatch: pytest.MonkeyPatch) -> float:
    """Lets Redis be given up on as soon as outside the tests; so many seconds each time."""
    monkeypatch.setattr(limiter.client, "PATIENCE_SECONDS", REAL_PATIENCE)
    return REAL_PATIENCE


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server given by LEDGERTIDE_TEST_DATABASE_URL, or one of our own for this worker."""
    if given := os.environ.get("LEDGERTIDE_TEST_DATABASE_URL"):
        yield PostgresServer(given)
    else:
        with embedded_server() as server:
            yield server


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> SqliteFolder:
    return SqliteFolder(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Which database this test meets; every test that asks for a database runs on both."""
    met(request, request.param)
    return str(request.param)


@pytest.fixture
def databases(database_kind: str, request: pytest.FixtureRequest) -> PostgresServer | SqliteFolder:
    name = {"sqlite": "sqlite_folder", "postgresql": "postgres_server"}[database_kind]
    server: PostgresServer | SqliteFolder = request.getfixturevalue(name)
    return server


@pytest.fixture
def new_database(databases: PostgresServer | SqliteFolder) -> Iterator[Callable[[], str]]:
    """Makes a fresh migrated database at each call; for tests that need more than one."""
    with ExitStack() as made:
        yield lambda: made.enter_context(migrated(databases))


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """The address of a fresh migrated database; the test runs once on SQLite, once on PostgreSQL."""
    return new_database()


@pytest.fixture
def empty_database_url(databases: PostgresServer | SqliteFolder) -> Iterator[str]:
    """The address of a database without any table; the test runs once on SQLite, once on PostgreSQL."""
    name = databases.create()
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes with the options of ``Sandbox.start``; they end with the test."""
    with ExitStack() as running:

        def start(**options: Any) -> Sandbox:
            return running.enter_context(Sandbox.start(**options))

        yield start


@pytest.fixture
def sandbox(start_sandbox: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox of three organisations that this test has for itself."""
    return start_sandbox(organisations=3)


@pytest.fixture
def environment(database_url: str, redis_url: str, sandbox: Sandbox) -> dict[str, str]:
    """The variables that lead to this test's database, Redis and sandbox; it runs on both databases."""
    return environment_for(database_url, redis_url, sandbox)


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The same as settings."""
    return load_settings(environment)
