"""A worker that stood still past its lease wakes when its successor has ended: it writes nothing."""

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from store.models import metadata, runs
from store.tables import table_of
from sync.services import SHAPES
from tests.faults.child import Arm
from tests.faults.house import RESOURCES, House, house, until
from tests.faults.nursery import Nursery

CONTACTS = "xero.contacts"
# Between a page and its transaction, and between that and the message that follows from it.
FROZEN_AT = ("page.read", "call.answered", "slice.ended")
# What time changes by itself, whoever writes.
BESIDE = {"markers", "duties"}


@pytest.mark.timeout(200)
def test_a_zombie_writes_nothing_frees_nothing_and_says_why_it_ended(
    tmp_path: Path, nursery: Nursery
) -> None:
    # Its slots are an hour apart: once they were read there are only presses.
    hourly = timedelta(hours=1)
    with house("postgresql", tmp_path, nursery=nursery, organisations=2, cadence=hourly) as home:
        home.start("worker1", "beat1")
        home.await_started("worker1", "beat1")
        feeds = [(slug, resource) for slug in home.slugs for resource in RESOURCES]
        for feed in feeds:
            home.press(*feed)
        until(lambda: all(home.engine.feed(*feed).last_success_at for feed in feeds), 120, "all was read")
        for point in FROZEN_AT:
            _freeze_and_wake(home, point)


def _freeze_and_wake(home: House, point: str) -> None:
    slug = home.slugs[0]
    tenant = home.engine.tenants[slug]
    home.end("worker1")
    home.start("worker1", arm=Arm(point, signal=signal.SIGSTOP))
    home.await_started("worker1")
    home.sandbox.edit(tenant, CONTACTS, "edit", count=3)
    press = home.press(slug, CONTACTS)
    until(lambda: any(note.get("point") == point for note in home.notes("worker1")), 30, f"frozen at {point}")
    home.start("beat1", "worker2")
    home.await_started("beat1", "worker2")
    until(lambda: _is_served(home, press.generation), 60, "the successor has ended")
    until(lambda: not _open_runs(home), 60, "nothing is at work any more")
    home.end("beat1", signal.SIGTERM)
    home.sandbox.edit(tenant, CONTACTS, "edit", count=3)  # and stays as it is: nobody may read now
    before, calls, said = _everything(home), home.sandbox.last_call(), home.log("worker1").count("lease_lost")

    home.send("worker1", signal.SIGCONT)
    if point != "slice.ended":  # its page was committed before it froze, so it was no zombie's
        until(lambda: home.log("worker1").count("lease_lost") > said, 20, "the zombie says why it ends")
        assert "went on without us" in home.log("worker1").rsplit("lease_lost", 1)[0]
    assert home.end("worker1", signal.SIGTERM) == 0
    assert home.end("worker2", signal.SIGTERM) == 0

    assert _everything(home) == before
    assert home.sandbox.last_call() == calls
    home.start("worker1")
    home.await_started("worker1")


def _is_served(home: House, generation: int) -> bool:
    return bool(home.engine.feed(home.slugs[0], CONTACTS).served >= generation)


def _open_runs(home: House) -> int:
    with home.services.database.reading() as tx:
        return len(tx.execute(select(runs.c.id).where(runs.c.ended_at.is_(None))).all())


def _everything(home: House) -> dict[str, Any]:
    """Every row of every table."""
    tables = [table for table in metadata.sorted_tables if table.name not in BESIDE]
    tables += [table_of(SHAPES[CONTACTS])]
    with home.services.database.reading() as tx:
        return {
            table.name: sorted(json.dumps(list(row), default=str) for row in tx.execute(select(table)))
            for table in tables
        }
