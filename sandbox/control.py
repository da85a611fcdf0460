"""The control doors under `/_sandbox/`: what a tester may see and make happen. No sign-in: loopback only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar, cast, get_args

import orjson
from aiohttp import web

from sandbox.asked import Asked, BadControlError
from sandbox.budgets import Budgets, account_of, anybody, tenant_of
from sandbox.dext.kinds import DEXT_ENDPOINTS, DEXT_RESOURCES
from sandbox.edits import ACTIONS, POISONS, Action, ArmedEdit, Edit, EditError, check
from sandbox.endpoints import BY_PATH
from sandbox.faults import KINDS, LASTING, Fault
from sandbox.lists import Reading
from sandbox.records import WIDEST
from sandbox.rendering import plain
from sandbox.resources import BY_RESOURCE
from sandbox.world import World
from sandbox.writes.control import WriteDoors

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.Response]]


def control_routes(world: World) -> list[web.RouteDef]:
    """Every control door."""
    doors, budgets, writes = Control(world), Budgets(world), WriteDoors(world)
    table: Mapping[tuple[str, str], Callable[[web.Request, Asked], Any]] = {
        ("GET", "grants"): doors.grants,
        ("GET", "dump/{tenant}/{resource}"): doors.dump,
        ("GET", "calls"): doors.calls,
        ("GET", "edit"): doors.armed_edits,
        ("POST", "edit"): doors.edit,
        ("DELETE", "edit"): doors.disarm_edits,
        ("GET", "faults"): doors.faults,
        ("POST", "faults"): doors.add_fault,
        ("DELETE", "faults"): doors.clear_faults,
        ("GET", "limits"): budgets.told,
        ("POST", "limits"): budgets.change,
        ("GET", "clock"): doors.clock,
        ("POST", "clock"): doors.advance,
        ("POST", "spend"): budgets.spend,
        ("POST", "calm"): doors.calm,
        ("GET", "writes/{tenant}"): writes.told,
        ("POST", "writes"): writes.refuse,
        ("GET", "since"): doors.since,
        ("POST", "since"): doors.change_since,
    }
    return [
        web.route(method, f"/_sandbox/{path}", door(world, action))
        for (method, path), action in table.items()
    ]


class Control:
    """What each control door does; each returns what is answered as JSON."""

    def __init__(self, world: World) -> None:
        self.world = world

    def grants(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """The app's credentials, and each grant's current refresh token and organisations."""
        asked.done()
        identity, organisations = self.world.identity, self.world.dataset.organisations
        grants = [
            {
                "refresh_token": grant.current,
                "tenants": [
                    {
                        "tenant_id": each.tenant_id,
                        "name": each.name,
                        "day_limit": organisations[each.tenant_id].day_limit,
                    }
                    for each in grant.connections
                    if each.tenant_id in organisations
                ],
            }
            for grant in identity.grants
        ]
        told = {"client_id": identity.client_id, "client_secret": identity.client_secret, "grants": grants}
        return told | {"dext": self.world.dext.grants()}

    def dump(self, request: web.Request, asked: Asked) -> bytes:
        """A whole list in its own bytes, archived records included."""
        asked.done()
        tenant, resource = request.match_info["tenant"], request.match_info["resource"]
        if resource not in BY_RESOURCE:
            raise BadControlError(f"There is no resource {resource}.")
        rows = self._dext(tenant, resource) if resource in DEXT_RESOURCES else self._xero(tenant, resource)
        return b'{"count":%d,"records":[%s]}' % (len(rows), b",".join(rows))

    def calls(self, request: web.Request, asked: Asked) -> dict[str, Any]:
        """The log from a number on."""
        asked.done()
        after = request.query.get("after", "0")
        if not after.isdecimal():
            raise BadControlError("after must be a whole number.")
        return {"calls": self.world.calls.after(int(after)), "last": self.world.calls.last}

    def edit(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Do an edit, or arm it."""
        arming = asked.object("after_calls")
        edit = Edit(
            tenant=asked.text("tenant") or "",
            resource=asked.text("resource", BY_RESOURCE) or "",
            action=cast("Action", asked.text("action", ACTIONS) or "edit"),
            count=_or(asked.whole("count", least=1), 1),
            ids=asked.texts("ids"),
            which=cast("Any", asked.text("which", ("first", "random", "read")) or "random"),
            same_second=asked.flag("same_second"),
            visible_after=_or(asked.number("visible_after"), 0.0),
            fields=asked.object("fields") or {},
            poison=asked.text("poison", POISONS),
        )
        asked.done()
        if not edit.resource:
            raise BadControlError("resource is missing.")
        is_dext = edit.resource in DEXT_RESOURCES
        edit.tenant = (
            account_of(self.world, edit.tenant).tenant if is_dext else tenant_of(self.world, edit.tenant)
        )
        check(edit)
        if arming is None:
            return {"ids": self.world.edits.do(edit)}
        self.world.edits.armed.append(_arm(edit, Asked(arming)))
        return {"ids": []}

    def armed_edits(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """The edits armed so far, with how often they were done."""
        asked.done()
        return {"armed": [asdict(armed) for armed in self.world.edits.armed]}

    def disarm_edits(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Take every armed edit away."""
        asked.done()
        self.world.edits.armed.clear()
        return {}

    def faults(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """The faults still armed."""
        asked.done()
        return {"faults": self.world.faults.listed()}

    def add_fault(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Arm a fault."""
        kind = asked.text("kind", KINDS)
        if kind is None:
            raise BadControlError("kind is missing.")
        fault = Fault(
            kind=kind,
            endpoint=asked.text("endpoint", (*BY_PATH, "token", "connections", *DEXT_ENDPOINTS)),
            tenant=anybody(self.world, asked.text("tenant")),
            count=_or(asked.whole("count", least=1), None if kind in LASTING else 1),
            skip=_or(asked.whole("skip"), 0),
            status=_or(asked.whole("status", least=200), 503),
            headers={name: str(value) for name, value in (asked.object("headers") or {}).items()},
            body=asked.text("body"),
            seconds=_or(asked.number("seconds"), 0.2),
            rows=_or(asked.whole("rows", least=1), 1),
            every=_or(asked.whole("every", least=1), 1),
            method=asked.text("method", ("GET", "POST", "PUT", "DELETE")),
        )
        asked.done()
        if kind == "tenant_removed" and fault.tenant is None:
            raise BadControlError("tenant is missing.")
        self.world.faults.armed.append(fault)
        return {}

    def clear_faults(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Take every fault away; what was held goes on its way."""
        asked.done()
        self.world.faults.clear()
        return {}

    def clock(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """The sandbox's time."""
        asked.done()
        return {"now": self.world.clock.now()}

    def advance(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Move the clock on."""
        seconds = asked.number("advance_seconds")
        asked.done()
        if seconds is None:
            raise BadControlError("advance_seconds is missing.")
        self.world.clock.advance(seconds)
        return {"now": self.world.clock.now()}

    def calm(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Let nothing go wrong any more, and limits begin anew."""
        asked.done()
        self.world.calm()
        return {}

    def since(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Which way If-Modified-Since compares."""
        asked.done()
        return {"reading": self.world.reading}

    def change_since(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Choose which way If-Modified-Since compares."""
        reading = asked.text("reading", get_args(Reading))
        asked.done()
        if reading is None:
            raise BadControlError("reading is missing.")
        self.world.reading = cast("Reading", reading)
        return {"reading": reading}

    def _xero(self, tenant: str, resource: str) -> list[bytes]:
        records = self.world.dataset.list_of(tenant_of(self.world, tenant), BY_RESOURCE[resource])
        records.settle(self.world.clock.now())
        return [records.body(row, WIDEST) for row in records.rows]

    def _dext(self, account: str, resource: str) -> list[bytes]:
        return self.world.dext.bodies(account_of(self.world, account).id, resource)


def door(world: World, action: Callable[[web.Request, Asked], Any]) -> Handler:
    """A door that answers what the action returns, or says in one sentence why it does not."""

    async def answer(request: web.Request) -> web.Response:
        try:
            text = await request.read()
            told = action(request, Asked(orjson.loads(text) if text else {}))
        except orjson.JSONDecodeError:
            return _refused("The body is not JSON.")
        except (BadControlError, EditError) as error:
            return _refused(str(error))
        if request.method != "GET":
            world.changed()
        body = told if isinstance(told, bytes) else plain(told)
        return web.Response(body=body, content_type="application/json")

    return answer


def _refused(sentence: str) -> web.Response:
    return web.Response(status=400, body=plain({"error": sentence}), content_type="application/json")


def _arm(edit: Edit, asked: Asked) -> ArmedEdit:
    endpoint = asked.text("endpoint", (*BY_PATH, *DEXT_RESOURCES)) or BY_RESOURCE[edit.resource].path
    armed = ArmedEdit(
        edit,
        endpoint,
        skip=_or(asked.whole("skip"), 0),
        every=_or(asked.whole("every", least=1), 1),
        times=_or(asked.whole("times", least=1), 1),
    )
    asked.done()
    return armed


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
