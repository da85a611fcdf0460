"""Every kind of fault, as one table: what it does to a house, and for how long."""

import contextlib
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import psycopg
from sqlalchemy import make_url

from config.points import POINTS, WEB_POINTS
from tests.faults.child import PACE, Arm
from tests.faults.house import BEATS, WEB, WORKERS, House

# Two lanes run at once: one hits the processes, the other what they stand on.
Lane = Literal["processes", "surroundings"]
BOTH = ("postgresql", "sqlite")
A_LITTLE = 50_000  # bytes: the log still has room to say what is wrong
LEASE = PACE.lease.total_seconds()
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file: No space left on device';
END $$
"""


@dataclass(frozen=True)
class Kind:
    """One kind of fault; `strike` returns when it is over."""

    lane: Lane
    strike: Callable[[House, random.Random], None]
    on: tuple[str, ...] = BOTH


def _kill(names: tuple[str, ...]) -> Callable[[House, random.Random], None]:
    """SIGKILL; its successor starts a moment later."""

    def strike(house: House, source: random.Random) -> None:
        name = source.choice(names)
        house.end(name)
        time.sleep(source.uniform(0, 2))
        house.start(name)

    return strike


def _kill_at_a_point(house: House, source: random.Random) -> None:
    """A successor that kills itself in the middle of a step, at its first or twentieth time."""
    point = source.choice((*POINTS, *WEB_POINTS))
    whose: dict[str, tuple[str, ...]] = {"tick": BEATS, "delivery": WEB}
    name = source.choice(whose.get(point.split(".")[0], WORKERS))
    house.end(name)
    house.start(name, arm=Arm(point, nth=source.randint(1, 20)))
    with contextlib.suppress(TimeoutError):  # a rare one
        house.await_end(name, 10)
    house.end(name)
    house.start(name)


def _freeze(names: tuple[str, ...]) -> Callable[[House, random.Random], None]:
    """SIGSTOP for longer or shorter than a lease, then SIGCONT."""

    def strike(house: House, source: random.Random) -> None:
        name = source.choice(names)
        house.send(name, signal.SIGSTOP)
        time.sleep(source.uniform(0.5, 1.8 * LEASE))
        house.send(name, signal.SIGCONT)

    return strike


def _roll(house: House, source: random.Random) -> None:
    """SIGTERM, then its successor."""
    name = source.choice((*WORKERS, *BEATS, *WEB))
    house.end(name, signal.SIGTERM)
    house.start(name)


def _wipe(house: House, _source: random.Random) -> None:
    """FLUSHALL."""
    house.wipe_redis()


def _restart_redis(*, data: bool, kill: bool) -> Callable[[House, random.Random], None]:
    """Gone for some seconds; back with its data or empty."""

    def strike(house: House, source: random.Random) -> None:
        if kill and house.valkey.process:
            house.valkey.process.kill()
        house.valkey.stop()
        if not data:
            for file in (house.folder / "redis").rglob("*.aof*"):
                file.unlink()
        time.sleep(source.uniform(0, 4))
        house.valkey.start()

    return strike


def _way(name: str, how: str) -> Callable[[House, random.Random], None]:
    """The way there: refused, silent (half open), or cut."""

    def strike(house: House, source: random.Random) -> None:
        proxy = house.proxies[name]
        getattr(proxy, how)()
        if how != "cut":
            time.sleep(source.uniform(1, 6))
            proxy.open()

    return strike


def _restart_database(how: signal.Signals) -> Callable[[House, random.Random], None]:
    """Stopped, or crashed, for some seconds."""

    def strike(house: House, source: random.Random) -> None:
        if cluster := house.cluster:
            cluster.stop(how)
            time.sleep(source.uniform(0, 3))
            cluster.start()

    return strike


def _throw_out(house: House, _source: random.Random) -> None:
    """Every connection to the database is ended by the server."""
    with _admin(house) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


def read_only(house: House) -> Callable[[], None]:
    """A failover to a replica that takes no writes; returns what makes it the primary."""
    cluster = house.cluster
    assert cluster
    cluster.stand_by()
    return cluster.promote


def _for_a_while(
    begin: Callable[[House], Callable[[], None]],
) -> Callable[[House, random.Random], None]:
    def strike(house: House, source: random.Random) -> None:
        end = begin(house)
        time.sleep(source.uniform(1, 5))
        end()

    return strike


def _admin(house: House) -> "psycopg.Connection":
    assert house.cluster
    return psycopg.connect(house.cluster.admin, autocommit=True)


def _lock(house: House, source: random.Random) -> None:
    """Somebody holds the embedded database's write lock."""
    with contextlib.closing(sqlite3.connect(_file(house), isolation_level=None, timeout=30)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        time.sleep(source.uniform(1, 4))


def fill_disk(house: House) -> Callable[[], None]:
    """Whoever stores is told that there is no room; returns what makes room again."""
    return _fill_tables(house) if house.cluster else _fill_files(house)


def _fill_tables(house: House) -> Callable[[], None]:
    """PostgreSQL says what it says of a full disk; to fill one takes a file system of its own, and root."""
    _execute(house, NO_ROOM)
    for table in ("runs", "presses", "feeds"):  # each alone: no two tables are locked at once
        _execute(
            house, f"CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION no_room()"
        )
    return lambda: _execute(house, "DROP FUNCTION no_room() CASCADE")


def _execute(house: House, statement: str) -> None:
    address = house.services.settings.database_url.get_secret_value().replace("+psycopg", "", 1)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)


def _fill_files(house: House) -> Callable[[], None]:
    """No process can make a file longer than its own log and a little."""
    pids = [house.pid(name) for name in (*WORKERS, *BEATS) if house.is_there(name)]
    before = resource.prlimit(pids[0], resource.RLIMIT_FSIZE)
    size = max(file.stat().st_size for file in house.folder.glob("*.log")) + A_LITTLE
    _limit(pids, (size, before[1]))
    return lambda: _limit(pids, before)


def _limit(pids: list[int], limit: tuple[int, int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def _file(house: House) -> Path:
    return Path(str(make_url(house.services.settings.database_url.get_secret_value()).database))


def _provider(kind: str, **fields: object) -> Callable[[House, random.Random], None]:
    """The provider answers wrongly, late, or not at all, some times in a row."""

    def strike(house: House, source: random.Random) -> None:
        house.sandbox.faults(kind, count=source.randint(2, 12), **fields)
        time.sleep(source.uniform(2, 5))
        house.sandbox.clear_faults()

    return strike


def _clock(house: House, source: random.Random) -> None:
    """The database's clock jumps ahead, and back again."""
    house.set_clock(timedelta(seconds=source.uniform(5, 40)))
    time.sleep(source.uniform(1, 4))
    house.set_clock(timedelta(0))


KINDS: Mapping[str, Kind] = {
    "worker killed": Kind("processes", _kill(WORKERS)),
    "beat killed": Kind("processes", _kill(BEATS)),
    "web killed": Kind("processes", _kill(WEB)),
    "killed at a point": Kind("processes", _kill_at_a_point),
    "worker frozen": Kind("processes", _freeze(WORKERS)),
    "beat frozen": Kind("processes", _freeze(BEATS)),
    "replaced": Kind("processes", _roll),
    "redis wiped": Kind("surroundings", _wipe),
    "redis restarted": Kind("surroundings", _restart_redis(data=True, kill=False)),
    "redis killed": Kind("surroundings", _restart_redis(data=True, kill=True)),
    "redis back empty": Kind("surroundings", _restart_redis(data=False, kill=True)),
    "redis refused": Kind("surroundings", _way("redis", "refuse")),
    "redis half open": Kind("surroundings", _way("redis", "fall_silent")),
    "redis cut": Kind("surroundings", _way("redis", "cut")),
    "database restarted": Kind("surroundings", _restart_database(signal.SIGINT), ("postgresql",)),
    "database crashed": Kind("surroundings", _restart_database(signal.SIGQUIT), ("postgresql",)),
    "database cut": Kind("surroundings", _throw_out, ("postgresql",)),
    "database half open": Kind("surroundings", _way("database", "fall_silent"), ("postgresql",)),
    "database refused": Kind("surroundings", _way("database", "refuse"), ("postgresql",)),
    "database read-only": Kind("surroundings", _for_a_while(read_only), ("postgresql",)),
    "database locked": Kind("surroundings", _lock, ("sqlite",)),
    "disk full": Kind("surroundings", _for_a_while(fill_disk)),
    "provider refused": Kind("surroundings", _way("provider", "refuse")),
    "provider half open": Kind("surroundings", _way("provider", "fall_silent")),
    "provider cut": Kind("surroundings", _way("provider", "cut")),
    "provider 503": Kind("surroundings", _provider("status", status=503)),
    "provider slow": Kind("surroundings", _provider("slow", seconds=1.5)),
    "provider drips": Kind("surroundings", _provider("drip", seconds=0.2)),
    "answer lost": Kind("surroundings", _provider("lost_answer")),
    "answer cut": Kind("surroundings", _provider("truncated")),
    "token answer lost": Kind("surroundings", _provider("lost_answer", endpoint="token")),
    "clock jumped": Kind("surroundings", _clock),
}
