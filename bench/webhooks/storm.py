"""Edits at the provider without a pause, and the process that tells of each."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Self, cast

from ledgertide.embedded.system import System
from ledgertide.embedded.valkey import LOOPBACK
from sandbox.testing import Sandbox

TOLD = ("xero.contacts", "xero.invoices", "xero.credit_notes")
STORMED = "xero.invoices"
IN_ONE_EDIT = 25
ASK_EVERY_SECONDS = 0.02


@dataclass
class Edit:
    """Records that were edited at the provider at this time or a moment later."""

    tenant_id: str
    resource: str
    ids: list[str]
    at: datetime


@dataclass
class Sent:
    """What was edited and told of."""

    edits: list[Edit]
    attempts: list[dict[str, Any]]
    """Each delivery as often as it was tried (sandbox/webhooks/post.py, Posted)."""
    seconds: float
    at_once: int


class Sender:
    """The process that tells of edits."""

    def __init__(self, system: System, at_once: int) -> None:
        self._at_once = at_once
        url = f"http://{LOOPBACK}:{system.settings.web_port}/hooks/xero"
        command = [sys.executable, "-m", "bench.webhooks.sender", url, str(at_once)]
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

    def is_behind(self) -> bool:
        """Whether all places are taken and as many wait for one: more would be late before it is sent."""
        return self._ask([])[0] > 2 * self._at_once

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


def storm(
    sandbox: Sandbox, sender: Sender, *, stormed: int, others: int, meanwhile: Callable[[], None]
) -> list[Edit]:
    """Edit records of one organisation's one list, and of other lists, as fast as is told of it."""
    edits = []
    for tenant_id, resource in _places(sandbox, stormed, others):
        at = datetime.now(UTC)
        edits.append(Edit(tenant_id, resource, sandbox.edit(tenant_id, resource, count=IN_ONE_EDIT), at))
        sender.tell(edits[-1])
        while sender.is_behind():
            meanwhile()
            time.sleep(ASK_EVERY_SECONDS)
    return edits


def _places(sandbox: Sandbox, stormed: int, others: int) -> list[tuple[str, str]]:
    """Which list of which organisation is edited, in which order."""
    source = random.Random(7)
    tenants = [tenant["tenant_id"] for tenant in sandbox.tenants()]
    sizes = {tenant: len(sandbox.dump(tenant, STORMED)) for tenant in tenants}
    largest = max(sizes, key=lambda tenant: sizes[tenant])
    tenants.remove(largest)
    places = [(largest, STORMED)] * (stormed // IN_ONE_EDIT)
    places += [(source.choice(tenants), source.choice(TOLD)) for _ in range(others // IN_ONE_EDIT)]
    source.shuffle(places)
    return places
