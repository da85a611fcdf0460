"""The control doors under `/_sandbox/`: what a tester may see and make happen. No sign-in: loopback only."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar, cast, get_args

import orjson
from aiohttp import web

from sandbox.asked import Asked, BadControlError
from sandbox.edits import ACTIONS, POISONS, Action, ArmedEdit, Edit, EditError, check
from sandbox.endpoints import BY_PATH, BY_RESOURCE
from sandbox.faults import KINDS, LASTING, Fault
from sandbox.limits import Style
from sandbox.lists import Reading
from sandbox.records import WIDEST
from sandbox.rendering import plain
from sandbox.world import World

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.Response]]


def control_routes(world: World) -> list[web.RouteDef]:
    """Every control door."""
    doors = Control(world)
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
        ("GET", "limits"): doors.limits,
        ("POST", "limits"): doors.change_limits,
        ("GET", "clock"): doors.clock,
        ("POST", "clock"): doors.advance,
        ("POST", "spend"): doors.spend,
        ("POST", "calm"): doors.calm,
        ("GET", "since"): doors.since,
        ("POST", "since"): doors.change_since,
    }
    return [
        web.route(method, f"/_sandbox/{path}", _door(world, action))
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
        return {"client_id": identity.client_id, "client_secret": identity.client_secret, "grants": grants}

    def dump(self, request: web.Request, asked: Asked) -> bytes:
        """A whole list in its own bytes, archived records included."""
        asked.done()
        tenant, resource = request.match_info["tenant"], request.match_info["resource"]
        if resource not in BY_RESOURCE:
            raise BadControlError(f"There is no resource {resource}.")
        endpoint = BY_RESOURCE[resource]
        records = self.world.dataset.list_of(self._tenant(tenant), endpoint)
        records.settle(self.world.clock.now())
        rows = [records.body(row, WIDEST) for row in records.rows]
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
            tenant=self._tenant(asked.text("tenant")),
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
            endpoint=asked.text("endpoint", (*BY_PATH, "token", "connections")),
            tenant=self._optional_tenant(asked.text("tenant")),
            count=_or(asked.whole("count", least=1), None if kind in LASTING else 1),
            skip=_or(asked.whole("skip"), 0),
            status=_or(asked.whole("status", least=200), 503),
            headers={name: str(value) for name, value in (asked.object("headers") or {}).items()},
            body=asked.text("body"),
            seconds=_or(asked.number("seconds"), 0.2),
            rows=_or(asked.whole("rows", least=1), 1),
        )
        asked.done()
        if kind == "tenant_removed" and fault.tenant is None:
            raise BadControlError("tenant is missing.")
        self.world.faults.armed.append(fault)
        return {}

    def clear_faults(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Take every fault away."""
        asked.done()
        self.world.faults.armed.clear()
        return {}

    def limits(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """The limits in force and what is used of them."""
        asked.done()
        limits, now = self.world.limits, self.world.clock.now()
        tenants = {
            tenant: asdict(budget.numbers)
            | {
                "minute_used": budget.minute.used(now),
                "day_used": budget.day.used(now),
                "in_flight_now": budget.in_flight,
            }
            for tenant, budget in limits.budgets.items()
        }
        app = {"app_minute": limits.app_minute, "app_minute_used": limits.app.used(now)}
        return {"style": limits.style, **app, "tenants": tenants}

    def change_limits(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Set limits for one tenant, or for all."""
        tenant = asked.text("tenant")
        mine = self._optional_tenant(None if tenant == "all" else tenant)
        numbers = {
            "minute": asked.whole("minute"),
            "day": asked.whole("day"),
            "in_flight": asked.whole("in_flight"),
            "app_minute": asked.whole("app_minute"),
            "minute_window": asked.number("minute_window", least=0.001),
            "day_window": asked.number("day_window", least=0.001),
        }
        style = cast("Style | None", asked.text("style", get_args(Style)))
        asked.done()
        given = {name: value for name, value in numbers.items() if value is not None}
        self.world.limits.change(mine, given, style)
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

    def spend(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Let other users of the app use calls up."""
        tenant, calls = self._tenant(asked.text("tenant")), asked.whole("calls", least=1)
        asked.done()
        if calls is None:
            raise BadControlError("calls is missing.")
        self.world.limits.spend(tenant, calls, self.world.clock.now())
        return {}

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

    def _tenant(self, tenant: str | None) -> str:
        if tenant is None:
            raise BadControlError("tenant is missing.")
        if tenant not in self.world.dataset.organisations:
            raise BadControlError(f"There is no tenant {tenant}.")
        return tenant

    def _optional_tenant(self, tenant: str | None) -> str | None:
        return None if tenant is None else self._tenant(tenant)


def _door(world: World, action: Callable[[web.Request, Asked], Any]) -> Handler:
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
    endpoint = asked.text("endpoint", BY_PATH) or BY_RESOURCE[edit.resource].path
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
