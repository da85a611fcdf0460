"""Dext's doors over HTTP, under `/dext`."""

import uuid
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from aiohttp import web

from sandbox.answers import Answer
from sandbox.calls import Call
from sandbox.dext.desk import Asking, Desk, paper
from sandbox.dext.kinds import DEXT_RESOURCES, ITEMS
from sandbox.dext.oauth import bearer
from sandbox.dext.refusals import RefusedError, not_found
from sandbox.dext.switches import Switches
from sandbox.faults import Fault
from sandbox.limits import Admission
from sandbox.passage import Passage
from sandbox.world import World

Answering = Callable[[Asking], Answer]


def dext_routes(world: World, saved: Callable[[], None]) -> list[web.RouteDef]:
    """Every door of Dext's."""
    doors = Doors(world, saved)
    desk = doors.desk
    table: tuple[tuple[str, str, str | None, Answering], ...] = (
        ("GET", "account", "dext.account", desk.account),
        ("GET", "cost-items", ITEMS, desk.items),
        ("GET", "cost-items/{id}", "dext.item", desk.item),
        ("GET", "cost-items/{id}/file", "dext.file", desk.file),
        ("POST", "cost-items/{id}/outcome", "dext.outcome", desk.outcome),
        ("GET", "lists/{kind}", None, desk.entries),  # named after what it lists
        ("PUT", "lists/{kind}", "dext.push", desk.push),
        ("GET", "list-jobs/{id}", "dext.jobs", desk.job),
        ("*", "{rest:.*}", "dext.nowhere", _nowhere),
    )
    return [
        web.post("/dext/oauth/token", doors.token),
        web.post("/dext/oauth/revoke", doors.revoke),
        web.get("/dext/files/{account}/{id}", doors.download),
        *(web.route(method, f"/dext/v1/{path}", doors.api(name, act)) for method, path, name, act in table),
    ]


class Doors(Passage):
    """The token endpoint, the API, and where links to files lead."""

    def __init__(self, world: World, saved: Callable[[], None]) -> None:
        super().__init__(world, world.dext.limits)
        self.dext = world.dext
        self.desk = Desk(world.dext)
        self.saved = saved

    async def token(self, request: web.Request) -> web.StreamResponse:
        """`POST /dext/oauth/token`."""

        async def work(_fault: Fault | None) -> Answer:
            form = {name: str(value) for name, value in (await request.post()).items()}
            authorization = request.headers.get("Authorization")
            answer = self.dext.identity.exchange(authorization, form, self.dext.switches)
            self.saved()
            return answer

        return await self.answer(request, self.call(request, "dext.token", None), None, work)

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """`POST /dext/oauth/revoke`."""

        async def work(_fault: Fault | None) -> Answer:
            form = {name: str(value) for name, value in (await request.post()).items()}
            answer = self.dext.identity.revoke(request.headers.get("Authorization"), form)
            self.saved()
            return answer

        return await self.answer(request, self.call(request, "dext.revoke", None), None, work)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """`GET /dext/files/…`: no sign-in but the link itself, and no limit."""
        account, item_id = request.match_info["account"], request.match_info["id"]

        async def work(fault: Fault | None) -> Answer:
            expires, key = request.query.get("expires", ""), request.query.get("key", "")
            try:
                self.desk.links.check(account, item_id, expires, key, self.world.clock.now())
            except RefusedError as refused:
                return refused.answer(None, inside=False)
            return paper(item_id, fault)

        return await self.answer(request, self.call(request, "dext.download", account), None, work)

    def api(self, name: str | None, act: Answering) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A door behind the sign-in: counted for the account before anything else is done."""

        async def door(request: web.Request) -> web.StreamResponse:
            token = bearer(request.headers.get("Authorization"))
            endpoint = name or f"dext.{request.match_info['kind']}"
            call = self.call(request, endpoint, self.dext.identity.owner(token))

            async def work(fault: Fault | None) -> Answer:
                request_id = request.headers.get("X-Request-Id")
                try:
                    answer = act(await self._asking(request, call, token, fault))
                except RefusedError as refused:
                    return self._told(call, refused, request_id)
                if answer.status == 200 and endpoint in DEXT_RESOURCES:
                    tenant = self.dext.accounts[str(call.tenant)].tenant
                    self.world.edits.after_list(endpoint, tenant)
                return answer

            return await self.counted(request, call, work)

        return door

    def refused(self, call: Call, admission: Admission) -> Answer:
        """Dext's 429."""
        said = "Too many calls at once." if admission.problem == "concurrent" else "Too many calls."
        return self._told(call, RefusedError(429, "rate_limited", said), None)

    def made_up(self, call: Call, fault: Fault) -> Answer:
        """A status comes as Dext would refuse, unless the fault names a body."""
        if fault.kind != "status" or fault.body is not None:
            return fault.made_up()
        answer = self._told(call, RefusedError(fault.status, "unavailable", "Something went wrong."), None)
        answer.headers.update(fault.headers)
        return answer

    def headers(self, call: Call, answer: Answer, admission: Admission | None) -> dict[str, str]:
        """What Dext sends along."""
        headers = {"Server": "nginx", "Date": self.world.clock.http_date(), "X-Request-Id": str(uuid.uuid4())}
        if admission is not None and call.tenant is not None:
            headers |= self._limits(call.tenant, admission)
        if answer.content_type is not None:
            headers["Content-Type"] = answer.content_type
        return headers | answer.headers

    async def _asking(self, request: web.Request, call: Call, token: str, fault: Fault | None) -> Asking:
        if fault is not None and fault.kind == "token_dies":
            self.dext.identity.forget(token)
        self.dext.identity.check(token)
        if not request.headers.get("X-Request-Id"):
            raise RefusedError(400, "request_id_missing", "Every call needs an X-Request-Id.")
        return Asking(
            account=str(call.tenant),
            named=request.match_info,
            path=request.path,
            query=request.query,
            body=await request.read(),
            key=request.headers.get("Idempotency-Key"),
            fault=fault,
        )

    def _limits(self, account: str, admission: Admission) -> dict[str, str]:
        headers = {
            "X-RateLimit-Limit": str(self.limits.budgets[account].numbers.minute),
            "X-RateLimit-Remaining": admission.headers["X-MinLimit-Remaining"],
        }
        way = self._switches(account).retry_after
        if admission.problem is None or way == "none":
            return headers
        seconds = int(admission.headers.get("Retry-After", "1"))
        date = formatdate(self.world.clock.now() + seconds, usegmt=True)
        return headers | {"Retry-After": date if way == "date" else str(seconds)}

    def _told(self, call: Call, refused: RefusedError, request_id: str | None) -> Answer:
        inside = self._switches(call.tenant).errors == "errorcode"
        return refused.answer(request_id, inside=inside)

    def _switches(self, account: str | None) -> Switches:
        return self.dext.switches.get(account or "", Switches())


def _nowhere(_asking: Asking) -> Answer:
    raise not_found("path")
