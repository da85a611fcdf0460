"""What goes wrong on demand: faults armed for an endpoint, a tenant, some calls."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sandbox.answers import HTML, Answer
from sandbox.lists import Twist
from sandbox.rendering import plain

# Instead of an answer's work: the answer is made up.
MADE_UP = ("status", "empty", "html", "errorcode", "login_page")
# The right answer, spoilt on its way.
ON_THE_WAY = ("truncated", "cut", "drip", "trickle", "slow", "held", "reset", "lost_answer")
# The list itself answers wrongly.
IN_THE_LIST = ("filter_ignored", "empty_list", "short_page", "wrong_order")
# What Dext alone does: its token dies with the call, its file is not the one that was told.
DEXT = ("token_dies", "wrong_hash", "too_large")
# A state that lasts until it is cleared.
LASTING = ("scope", "tenant_removed")

KINDS = (*MADE_UP, *ON_THE_WAY, *IN_THE_LIST, *DEXT, *LASTING)

_OFFLINE = b"The Xero API is currently offline for maintenance"
_PAGE = (
    "<!DOCTYPE html>\r\n<html><head><title>Xero</title></head>"
    "<body><h1>We'll be right back</h1></body></html>"
)
_LOGIN = (
    "<!DOCTYPE html>\n<html><head><title>Log in to Dext</title></head>"
    '<body><form action="/login" method="post"><input name="email"></form></body></html>'
)


@dataclass
class Fault:
    """One armed fault; `count` None stays until cleared, `skip` lets so many calls pass first.

    `every`: of the calls that it concerns, each so many-th meets it.
    """

    kind: str
    endpoint: str | None = None
    tenant: str | None = None
    count: int | None = 1
    skip: int = 0
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    seconds: float = 0.2
    rows: int = 1
    every: int = 1
    method: str | None = None
    seen: int = 0

    def concerns(self, endpoint: str, tenant: str | None, method: str) -> bool:
        """Whether a call could meet this fault; one of no endpoint concerns the lists alone,
        and Dext only when it names an account.
        """
        if self.endpoint is None and endpoint in {"token", "connections", "dext.token", "dext.revoke"}:
            return False
        if self.endpoint is None and self.tenant is None and endpoint.startswith("dext."):
            return False
        if self.method not in {None, method}:
            return False
        return self.endpoint in {None, endpoint} and self.tenant in {None, tenant}

    def made_up(self) -> Answer:
        """The answer of a fault that does no work."""
        if self.kind == "empty":
            return Answer(200, b"", headers=self.headers)
        if self.kind == "errorcode":
            told = {"errorcode": self.status, "errormessage": self.body or "Something went wrong"}
            return Answer(200, plain(told), headers=self.headers)
        pages = {"html": self.body or _PAGE, "login_page": _LOGIN}
        if self.kind in pages:
            return Answer(200, pages[self.kind].encode(), HTML, self.headers)
        if self.body is not None:
            return Answer(self.status, self.body.encode(), None, self.headers)
        if self.status == 503:
            return Answer(503, _OFFLINE, "text/plain", self.headers)
        return Answer(self.status, b"", None, self.headers)

    def twist(self) -> Twist:
        """How the list bends."""
        return Twist(
            filter_ignored=self.kind == "filter_ignored",
            empty=self.kind == "empty_list",
            left_out=self.rows if self.kind == "short_page" else 0,
            wrong_order=self.kind == "wrong_order",
        )


class Faults:
    """The faults still armed, oldest first."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self._cleared = asyncio.Event()

    def meet(self, endpoint: str, tenant: str | None, method: str) -> Fault | None:
        """The fault that this call meets, used up by one; every other that it passes skips by one."""
        for fault in self.armed:
            if fault.kind == "tenant_removed" or not fault.concerns(endpoint, tenant, method):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.seen += 1
            if fault.seen % fault.every:
                continue
            if fault.count is not None:
                fault.count -= 1
                if fault.count <= 0:
                    self.armed.remove(fault)
            return fault
        return None

    def clear(self) -> None:
        """Take every fault away; what was held goes on its way."""
        self.armed.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def cleared(self) -> None:
        """Come back when the faults are next taken away."""
        await self._cleared.wait()

    def removed_tenants(self) -> frozenset[str]:
        """Tenants that are gone from their connections as long as the fault is armed."""
        return frozenset(
            fault.tenant for fault in self.armed if fault.kind == "tenant_removed" and fault.tenant
        )

    def listed(self) -> list[dict[str, Any]]:
        """What is left, for people to read."""
        return [vars(fault) for fault in self.armed]
