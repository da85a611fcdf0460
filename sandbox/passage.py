"""One call's way from its arrival to the end of its answer: counted, delayed, spoilt, written down."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

from aiohttp import web

from sandbox.answers import Answer
from sandbox.calls import Call
from sandbox.faults import MADE_UP, Fault
from sandbox.limits import Admission, Limits
from sandbox.sending import cut_off, send
from sandbox.world import World

Work = Callable[[Fault | None], Awaitable[Answer]]


class Passage:
    """The way that every call takes; a provider's doors say how its refusals and headers look."""

    def __init__(self, world: World, limits: Limits) -> None:
        self.world = world
        self.limits = limits

    def refused(self, call: Call, admission: Admission) -> Answer:  # noqa: ARG002 - others say more
        """The answer to a call that is one too many."""
        return Answer(429, b"", None)

    def made_up(self, call: Call, fault: Fault) -> Answer:  # noqa: ARG002 - others say it their way
        """The answer of a fault that does no work."""
        return fault.made_up()

    def headers(self, call: Call, answer: Answer, admission: Admission | None) -> dict[str, str]:
        """Every header of an answer."""
        raise NotImplementedError

    def call(self, request: web.Request, endpoint: str, tenant: str | None) -> Call:
        """What the log will say of this call."""
        return Call(
            at=self.world.clock.now(),
            tenant=tenant,
            endpoint=endpoint,
            method=request.method,
            path=request.path,
            query=request.query_string,
            if_modified_since=request.headers.get("If-Modified-Since"),
            agent=request.headers.get("User-Agent", ""),
            key=request.headers.get("Idempotency-Key"),
        )

    async def counted(self, request: web.Request, call: Call, work: Work) -> web.StreamResponse:
        """Answer a call that uses up limits."""
        admission = self.limits.arrive(call.tenant, call.at)
        call.in_flight = admission.in_flight
        if admission.problem is None:
            try:
                return await self.answer(request, call, admission, work)
            finally:
                self.limits.leave(call.tenant)

        async def refuse(_fault: Fault | None) -> Answer:
            return self.refused(call, admission)

        call.problem = admission.problem
        return await self.answer(request, call, admission, refuse)

    async def answer(
        self, request: web.Request, call: Call, admission: Admission | None, work: Work
    ) -> web.StreamResponse:
        """Answer a call that was let in, or refused."""
        started = perf_counter()
        world = self.world
        fault = None if call.problem else world.faults.meet(call.endpoint, call.tenant, call.method)
        call.fault = fault.kind if fault else None
        try:
            if world.latency and not call.problem:
                await asyncio.sleep(world.latency)
            if fault is not None and fault.kind == "reset":
                return cut_off(request)
            answer = self.made_up(call, fault) if fault and fault.kind in MADE_UP else await work(fault)
            headers = self.headers(call, answer, admission)
            call.status, call.rows = answer.status, answer.rows
            if fault is not None and fault.kind == "held":
                await world.faults.cleared()
            return await send(request, answer, headers, fault)
        except ConnectionError:
            return web.Response(status=500)  # the client has left: nobody will see it
        finally:
            call.seconds = round(perf_counter() - started, 6)
            world.calls.end(call)
            world.changed()
