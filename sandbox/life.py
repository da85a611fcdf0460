"""Lets life go on in the organisations while nobody asks for it."""

import asyncio
import random

from sandbox.edits import Action, Edit, EditError
from sandbox.endpoints import ENDPOINTS
from sandbox.world import World

_BUSY = (
    "xero.contacts",
    "xero.invoices",
    "xero.invoices",
    "xero.quotes",
    "xero.bank_transactions",
    "xero.payments",
    "xero.credit_notes",
    "xero.purchase_orders",
    "xero.manual_journals",
)
# The others change now and then; the ledger never does.
_SELDOM = tuple(row.resource for row in ENDPOINTS if row.resource not in (*_BUSY, "xero.journals"))
_SELDOM_SHARE = 0.1
_ACTIONS: tuple[Action, ...] = ("edit",) * 12 + ("add",) * 4 + ("silent",)


async def live(world: World, edits_per_minute: float) -> None:
    """Change or add a record somewhere, so often a minute, for ever."""
    source = random.Random(f"{world.seed}:life")
    tenants = list(world.dataset.organisations)
    while True:
        await asyncio.sleep(source.expovariate(edits_per_minute / 60))
        once(world, source, tenants)


def once(world: World, source: random.Random, tenants: list[str]) -> None:
    """One small thing that happens; where there is nothing to change, something is added."""
    tenant, resource = source.choice(tenants), source.choice(_BUSY)
    action = source.choice(_ACTIONS)
    if source.random() < _SELDOM_SHARE:
        resource, action = source.choice(_SELDOM), "edit"
    if resource == "xero.contacts" and source.random() < 0.1:
        action = source.choice(("archive", "restore"))
    try:
        if not world.edits.do(Edit(tenant, resource, action)) and resource in _BUSY:
            world.edits.do(Edit(tenant, resource, "add"))
    except EditError:
        return
    world.changed()
