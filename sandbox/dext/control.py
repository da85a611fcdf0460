"""The control doors under `/_sandbox/dext/`: an account's switches, its consent, what was written to it."""

from typing import Any

from aiohttp import web

from sandbox.asked import Asked, BadControlError
from sandbox.control import door
from sandbox.dext.switches import wishes
from sandbox.world import World


def dext_control_routes(world: World) -> list[web.RouteDef]:
    """Every control door of Dext's alone."""
    doors = DextControl(world)
    table = {
        ("GET", "switches"): doors.switches,
        ("POST", "switches"): doors.turn,
        ("POST", "connect"): doors.connect,
        ("GET", "outcomes/{account}"): doors.outcomes,
    }
    return [
        web.route(method, f"/_sandbox/dext/{path}", door(world, action))
        for (method, path), action in table.items()
    ]


class DextControl:
    """What each control door does; each returns what is answered as JSON."""

    def __init__(self, world: World) -> None:
        self.dext = world.dext

    def switches(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """How every account behaves."""
        asked.done()
        return {account: switches.told() for account, switches in self.dext.switches.items()}

    def turn(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Let one account behave otherwise, or all."""
        account = asked.text("account", self.dext.accounts)
        wished = wishes(asked)
        asked.done()
        for each in [account] if account else list(self.dext.accounts):
            self.dext.switches[each] = self.dext.switches[each].turned(wished)
        return {}

    def connect(self, _request: web.Request, asked: Asked) -> dict[str, Any]:
        """Let a person consent anew, as after a year."""
        account = asked.text("account", self.dext.accounts)
        asked.done()
        if account is None:
            raise BadControlError("account is missing.")
        return {"refresh_token": self.dext.connect(account)}

    def outcomes(self, request: web.Request, asked: Asked) -> dict[str, Any]:
        """What was reported for one account, each result once."""
        asked.done()
        account = request.match_info["account"]
        if account not in self.dext.accounts:
            raise BadControlError(f"There is no account {account}.")
        return {"outcomes": self.dext.outcomes.of(account)}
