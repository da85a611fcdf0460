"""The control doors of the limits, and whom a control request means."""

from dataclasses import asdict
from typing import Any, cast, get_args

from aiohttp import web

from sandbox.asked import Asked, BadControlError
from sandbox.dext.accounts import Account
from sandbox.limits import Limits, Style
from sandbox.world import World


class Budgets:
    """What the doors of the limits do; each returns what is answered as JSON."""

    def __init__(self, world: World) -> None:
        self.world = world

    def told(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """The limits in force and what is used of them."""
        asked.done()
        limits, now = self.world.limits, self.world.clock.now()
        tenants, accounts = _used(limits, now), _used(self.world.dext.limits, now)
        app = {"app_minute": limits.app_minute, "app_minute_used": limits.app.used(now)}
        return {"style": limits.style, **app, "tenants": tenants, "dext": accounts}

    def change(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Set limits for one tenant or one account, for all tenants, or for all accounts ("dext")."""
        tenant = asked.text("tenant")
        mine = anybody(self.world, None if tenant in {"all", "dext"} else tenant)
        limits = self.world.dext.limits if tenant == "dext" else self._budgets_of(mine)
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
        limits.change(mine, given, style)
        return {}

    def spend(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Let other users of the app use calls up."""
        tenant, calls = anybody(self.world, asked.text("tenant") or ""), asked.whole("calls", least=1)
        asked.done()
        if tenant is None or calls is None:
            raise BadControlError("calls is missing.")
        self._budgets_of(tenant).spend(tenant, calls, self.world.clock.now())
        return {}

    def _budgets_of(self, tenant: str | None) -> Limits:
        """The limits that count for a tenant, or for an account."""
        world = self.world
        return world.dext.limits if tenant in world.dext.accounts else world.limits


def tenant_of(world: World, tenant: str | None) -> str:
    """A tenant that there is."""
    if not tenant:
        raise BadControlError("tenant is missing.")
    if tenant not in world.dataset.organisations:
        raise BadControlError(f"There is no tenant {tenant}.")
    return tenant


def account_of(world: World, account: str) -> Account:
    """A Dext account that there is."""
    if account not in world.dext.accounts:
        raise BadControlError(f"There is no account {account}.")
    return world.dext.accounts[account]


def anybody(world: World, tenant: str | None) -> str | None:
    """A tenant or an account, if one is named."""
    return tenant if tenant is None or tenant in world.dext.accounts else tenant_of(world, tenant)


def _used(limits: Limits, now: float) -> dict[str, Any]:
    return {
        tenant: asdict(budget.numbers)
        | {
            "minute_used": budget.minute.used(now),
            "day_used": budget.day.used(now),
            "in_flight_now": budget.in_flight,
        }
        for tenant, budget in limits.budgets.items()
    }
