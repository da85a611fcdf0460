"""Xero's doors over HTTP, and the whole sandbox as one server."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from sandbox.answers import JSON, Answer, not_connected, not_found, scope_missing
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
from sandbox.webhooks.control import webhook_control_routes
from sandbox.world import World
from sandbox.writes.desk import ATTACHMENTS, Asked, Place, places
from sandbox.writes.memory import Sent, digest_of
from sandbox.xml import as_xml, wants_json

# Files may have 25 MB on one page of Xero's; what is too large for its rules is refused by them.
LARGEST_BODY = 26 * 2**20

_COMMON = {
    "Server": "Kestrel",
    "Cache-Control": "max-age=0, no-cache, no-store",
    "Pragma": "no-cache",
}


def make_app(
    world: World,
    saved: Callable[[], None] = lambda: None,
    written: Callable[[Call], None] = lambda _call: None,
) -> web.Application:
    """The whole sandbox.

    `saved` is called before a token answer leaves, so that no rotation is lost; `written` with each write of
    Accounting's, before it is done.
    """
    app = web.Application(client_max_size=LARGEST_BODY)
    doors = Doors(world, saved, written)
    app.router.add_post("/connect/token", doors.token)
    app.router.add_post("/connect/revocation", doors.revocation)
    app.router.add_get("/connections", doors.connections)
    app.router.add_get("/Connections", doors.connections)
    app.router.add_delete("/connections/{id}", doors.disconnect)
    app.router.add_route("*", "/api.xro/2.0/{path:.*}", doors.accounting)
    app.add_routes(dext_routes(world, saved))
    app.add_routes(control_routes(world))
    app.add_routes(dext_control_routes(world))
    app.add_routes(webhook_control_routes(world))
    app.cleanup_ctx.append(_telling(world))
    return app


def _telling(world: World) -> Callable[[web.Application], AsyncIterator[None]]:
    """Webhooks are sent while the server runs."""

    async def tell(_app: web.Application) -> AsyncIterator[None]:
        telling = asyncio.create_task(world.webhooks.tell())
        yield
        telling.cancel()
        await world.webhooks.post.close()

    return tell


class Doors(Passage):
    """The identity service and the Accounting API."""

    def __init__(self, world: World, saved: Callable[[], None], written: Callable[[Call], None]) -> None:
        super().__init__(world, world.limits)
        self.saved = saved
        self.written = written

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
        path, rest = request.match_info["path"], ""
        if path not in BY_PATH:  # one list has a slash in its name
            path, _, rest = path.partition("/")
        endpoint = BY_PATH.get(path)
        tenant = request.headers.get("xero-tenant-id")
        call = self.call(request, path, tenant)
        body = await request.read()
        if request.method != "GET":
            call.digest = digest_of(request.method, request.path_qs, body)
            call.body = _shown(request, body)
            self.written(call)

        async def work(fault: Fault | None) -> Answer:
            grant = self.world.identity.bearer(request.headers.get("Authorization"))
            if isinstance(grant, Answer):
                return grant
            answer = self._answer(request, grant, endpoint, places(rest), Sent.of(call), body, fault)
            is_told = answer.status == 200 and answer.content_type == JSON
            if is_told and not wants_json(request.headers.get("Accept")):
                return as_xml(answer)
            return answer

        return await self.counted(request, call, work)

    def made_up(self, call: Call, fault: Fault) -> Answer:
        """Xero remembers its internal errors too: the key that met one is answered with it again."""
        answer = super().made_up(call, fault)
        if answer.status == 500 and call.key:
            self.world.desk.keep_first(Sent(call.key, call.digest), answer)
        return answer

    def _answer(
        self,
        request: web.Request,
        grant: Grant,
        endpoint: Endpoint | None,
        place: Place,
        sent: Sent | None,
        body: bytes,
        fault: Fault | None,
    ) -> Answer:
        tenant = request.headers.get("xero-tenant-id", "")
        if not grant.reaches(tenant) or tenant in self.world.faults.removed_tenants():
            return not_connected()
        if endpoint is None:
            return not_found()
        scope = ATTACHMENTS if place.beside == "Attachments" else endpoint.scope
        enough = {scope, f"{scope}.read"} if request.method == "GET" else {scope}
        if not enough & set(grant.scopes.split()) or (fault is not None and fault.kind == "scope"):
            return scope_missing(scope)
        if request.method != "GET" or place.beside:
            mime = request.headers.get("Content-Type", "")
            asked = Asked(tenant, endpoint, request.method, place, request.query, mime, body, sent)
            return self.world.desk.answer(asked)
        records = self.world.dataset.list_of(tenant, endpoint)
        records.settle(self.world.clock.now())
        if place.one:
            return answer_one(records, place.one, request.query, self.world.clock.now_ms())
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


def _shown(request: web.Request, body: bytes) -> str:
    """What the log says of a body: all of a text, of a file its length."""
    if request.content_type == "application/json":
        return body.decode("utf-8", "replace")
    return f"{len(body)} bytes of {request.content_type}"
