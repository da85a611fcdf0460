"""Xero's doors over HTTP, and the whole sandbox as one server."""

import uuid
from collections.abc import Callable

from aiohttp import web

from sandbox.answers import Answer, not_connected, not_found, scope_missing
from sandbox.calls import Call
from sandbox.control import control_routes
from sandbox.dext.control import dext_control_routes
from sandbox.dext.server import dext_routes
from sandbox.endpoints import BY_PATH, Endpoint
from sandbox.faults import Fault
from sandbox.limits import Admission
from sandbox.lists import BadQuestionError, Twist, answer_list, answer_one, understand
from sandbox.oauth import Grant
from sandbox.passage import Passage
from sandbox.records import RecordList
from sandbox.world import World
from sandbox.xml import as_xml, wants_json

_COMMON = {
    "Server": "Kestrel",
    "Cache-Control": "max-age=0, no-cache, no-store",
    "Pragma": "no-cache",
}


def make_app(world: World, saved: Callable[[], None] = lambda: None) -> web.Application:
    """The whole sandbox; `saved` is called before a token answer leaves, so that no rotation is lost."""
    app = web.Application(client_max_size=1_000_000)
    doors = Doors(world, saved)
    app.router.add_post("/connect/token", doors.token)
    app.router.add_post("/connect/revocation", doors.revocation)
    app.router.add_get("/connections", doors.connections)
    app.router.add_get("/Connections", doors.connections)
    app.router.add_delete("/connections/{id}", doors.disconnect)
    app.router.add_route("*", "/api.xro/2.0/{path:.*}", doors.accounting)
    app.add_routes(dext_routes(world, saved))
    app.add_routes(control_routes(world))
    app.add_routes(dext_control_routes(world))
    return app


class Doors(Passage):
    """The identity service and the Accounting API."""

    def __init__(self, world: World, saved: Callable[[], None]) -> None:
        super().__init__(world, world.limits)
        self.saved = saved

    async def token(self, request: web.Request) -> web.StreamResponse:
        """`POST /connect/token`."""

        async def work(_fault: Fault | None) -> Answer:
            form = {name: str(value) for name, value in (await request.post()).items()}
            answer = self.world.identity.exchange(request.headers.get("Authorization"), form)
            self.saved()
            return answer

        return await self.answer(request, self.call(request, "token", None), None, work)

    async def revocation(self, request: web.Request) -> web.StreamResponse:
        """`POST /connect/revocation`."""

        async def work(_fault: Fault | None) -> Answer:
            form = {name: str(value) for name, value in (await request.post()).items()}
            answer = self.world.identity.revoke(request.headers.get("Authorization"), form)
            self.saved()
            return answer

        return await self.answer(request, self.call(request, "revocation", None), None, work)

    async def connections(self, request: web.Request) -> web.StreamResponse:
        """`GET /connections`: counted for the app alone."""

        async def work(_fault: Fault | None) -> Answer:
            grant = self.world.identity.bearer(request.headers.get("Authorization"))
            if isinstance(grant, Answer):
                return grant
            hidden = self.world.faults.removed_tenants()
            return self.world.identity.connections(grant, request.query.get("authEventId"), hidden)

        return await self.counted(request, self.call(request, "connections", None), work)

    async def disconnect(self, request: web.Request) -> web.StreamResponse:
        """`DELETE /connections/{id}`."""

        async def work(_fault: Fault | None) -> Answer:
            grant = self.world.identity.bearer(request.headers.get("Authorization"))
            if isinstance(grant, Answer):
                return grant
            return self.world.identity.disconnect(grant, request.match_info["id"])

        return await self.counted(request, self.call(request, "connections", None), work)

    async def accounting(self, request: web.Request) -> web.StreamResponse:
        """`/api.xro/2.0/…`: counted for the tenant and the app before anything else is done."""
        path, one = request.match_info["path"], ""
        if path not in BY_PATH:  # one list has a slash in its name
            path, _, one = path.partition("/")
        endpoint = BY_PATH.get(path)
        tenant = request.headers.get("xero-tenant-id")

        async def work(fault: Fault | None) -> Answer:
            grant = self.world.identity.bearer(request.headers.get("Authorization"))
            if isinstance(grant, Answer):
                return grant
            answer = self._read(request, grant, endpoint, one, fault)
            if answer.status == 200 and not wants_json(request.headers.get("Accept")):
                return as_xml(answer)
            return answer

        return await self.counted(request, self.call(request, path, tenant), work)

    def _read(
        self, request: web.Request, grant: Grant, endpoint: Endpoint | None, one: str, fault: Fault | None
    ) -> Answer:
        tenant = request.headers.get("xero-tenant-id", "")
        if not grant.reaches(tenant) or tenant in self.world.faults.removed_tenants():
            return not_connected()
        if endpoint is None:
            return not_found()
        allowed = {endpoint.scope, f"{endpoint.scope}.read"} & set(grant.scopes.split())
        if not allowed or (fault is not None and fault.kind == "scope"):
            return scope_missing(endpoint.scope)
        if request.method != "GET":
            return Answer(501, b"", None)
        records = self.world.dataset.list_of(tenant, endpoint)
        records.settle(self.world.clock.now())
        if one:
            return answer_one(records, one, request.query, self.world.clock.now_ms())
        answer = self._list(request, records, fault)
        self.world.edits.after_list(endpoint.path, tenant)
        return answer

    def _list(self, request: web.Request, records: RecordList, fault: Fault | None) -> Answer:
        since = request.headers.get("If-Modified-Since")
        try:
            question = understand(records.endpoint, request.query, since, self.world.reading)
        except BadQuestionError as refused:
            return refused.answer
        twist = fault.twist() if fault is not None else Twist()
        return answer_list(records, question, self.world.clock.now_ms(), twist)

    def headers(self, _call: Call, answer: Answer, admission: Admission | None) -> dict[str, str]:
        """What Xero sends along."""
        date = self.world.clock.http_date()
        headers = {**_COMMON, "Date": date, "Expires": date}
        if admission is not None:
            headers.update(admission.headers)
        headers.update(answer.headers)
        headers.setdefault("Xero-Correlation-Id", str(uuid.uuid4()))
        if answer.content_type is not None:
            headers.setdefault("Content-Type", answer.content_type)
        return headers
