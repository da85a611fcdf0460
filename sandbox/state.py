"""Keeps what happened since the seed in a file, so that a restart goes on as the same Xero."""

import asyncio
import os
import pickle
import time
from pathlib import Path
from typing import Any

from sandbox.world import World

SECONDS = 2.0
# Of its time one part of so many goes into saving, but it saves at least so often.
SHARE = 50
AT_LEAST_SECONDS = 10.0
_FORMAT = 4


class StateError(Exception):
    """The state file cannot be used; the text says why."""


class Keeper:
    """Reads the state file once, then writes it whenever something has changed; without a file, nothing."""

    def __init__(self, world: World, path: Path | None) -> None:
        self._world = world
        self._path = path
        self._identity_of_seed = {
            "format": _FORMAT,
            "seed": world.seed,
            "size": len(world.dataset.organisations),
        }
        if path is not None and path.exists():
            self._take(_load(path))
        self._saved = world.version

    async def keep(self) -> None:
        """Save every few seconds what has changed; rarer if it takes long: nobody is answered meanwhile."""
        took = 0.0
        while True:
            await asyncio.sleep(min(max(SECONDS, SHARE * took), AT_LEAST_SECONDS))
            if self._world.version != self._saved:
                began = time.monotonic()
                self.save()
                took = time.monotonic() - began

    def save(self) -> None:
        """Write the file now; a reader sees the old one or the new one, never a half."""
        if self._path is None:
            return
        self._saved = self._world.version
        told = pickle.dumps(self._tell(), protocol=5)
        beside = self._path.with_name(self._path.name + ".new")
        # For its owner alone: it holds tokens.
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(told)
        beside.replace(self._path)

    def _tell(self) -> dict[str, Any]:
        world = self._world
        return self._identity_of_seed | {
            "clock": world.clock.offset,
            "grants": world.identity.grants,
            "access": world.identity.access,
            "limits": world.limits,
            "dext": world.dext.tell(),
            "changes": world.dataset.changes(),
            "reading": world.reading,
            "faults": world.faults.armed,
            "armed": world.edits.armed,
            "edits": world.edits.source.getstate(),
            "writes": world.desk.tell(),
            "calls": world.calls.last,
            "webhooks": world.webhooks.subscriptions,
        }

    def _take(self, told: dict[str, Any]) -> None:
        world = self._world
        if any(told.get(name) != value for name, value in self._identity_of_seed.items()):
            raise StateError(f"{self._path} was made with another seed or number of organisations.")
        world.clock.offset = told["clock"]
        world.identity.grants = told["grants"]
        world.identity.access = told["access"]
        world.limits = told["limits"]
        for budget in world.limits.budgets.values():
            budget.in_flight = 0
        world.dext.take(told["dext"])
        world.dataset.restore(told["changes"])
        world.reading = told["reading"]
        world.faults.armed = told["faults"]
        world.edits.armed = told["armed"]
        world.edits.source.setstate(told["edits"])
        world.desk.take(told["writes"])
        world.calls.last = told["calls"]
        world.webhooks.subscriptions = told["webhooks"]


def _load(path: Path) -> dict[str, Any]:
    try:
        told = pickle.loads(path.read_bytes())  # noqa: S301 - written by this program, readable by its owner alone
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
        raise StateError(f"{path} is not a state file.") from error
    if not isinstance(told, dict):
        raise StateError(f"{path} is not a state file.")
    return told
