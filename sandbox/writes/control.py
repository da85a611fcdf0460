"""The control doors of writes: what was applied how often, and what is to be refused."""

from typing import Any

from aiohttp import web

from sandbox.asked import Asked, BadControlError
from sandbox.budgets import tenant_of
from sandbox.world import World


class WriteDoors:
    """What the doors of writes do; each returns what is answered as JSON."""

    def __init__(self, world: World) -> None:
        self.world = world

    def told(self, request: web.Request, asked: Asked) -> dict[str, Any]:
        """By document: how often each status was applied, the notes, the files."""
        asked.done()
        return self.world.desk.ledger.told(tenant_of(self.world, request.match_info["tenant"]))

    def refuse(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Refuse whatever is wanted of a document, in these words; or approvals beyond a plan's number."""
        tenant = tenant_of(self.world, asked.text("tenant"))
        document, words = asked.text("id"), asked.text("words")
        left = asked.whole("approvals_left")
        asked.done()
        if (document is None) != (words is None):
            raise BadControlError("id and words go together.")
        if document and words:
            self.world.desk.ledger.refusals[tenant, document] = words
        if left is not None:
            self.world.desk.ledger.approvals_left[tenant] = left
        return {}
