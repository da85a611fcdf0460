"""The control doors of webhooks: who is told, how untidily, and how each delivery fared."""

from typing import Any

import orjson
from aiohttp import web

from sandbox.asked import Asked, BadControlError
from sandbox.rendering import plain
from sandbox.webhooks.habits import Habits
from sandbox.webhooks.subscriptions import Subscription
from sandbox.world import World


def webhook_control_routes(world: World) -> list[web.RouteDef]:
    """Every control door of webhooks."""
    doors = WebhookControl(world)
    return [
        web.get("/_sandbox/webhooks", doors.told),
        web.post("/_sandbox/webhooks", doors.subscribe),
        web.delete("/_sandbox/webhooks", doors.unsubscribe),
    ]


class WebhookControl:
    """What each door does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.webhooks = world.webhooks

    async def told(self, request: web.Request) -> web.Response:
        """The attempts after a number, how many deliveries are under way, and the habits."""
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return _answer({"error": "after must be a whole number."}, 400)
        post = self.webhooks.post
        return _answer(
            {
                "subscriptions": [
                    {"url": each.url, "sequence": each.sequence} for each in self.webhooks.subscriptions
                ],
                "under_way": self.webhooks.under_way,
                "last": post.last,
                "habits": self.webhooks.habits.told(),
                "posted": post.after(int(after)),
            }
        )

    async def subscribe(self, request: web.Request) -> web.Response:
        """Tell an address from now on, once it has shown that it knows our signature; and in which way."""
        try:
            asked = Asked(orjson.loads(await request.read() or b"{}"))
            url, key = _address(asked)
            account = asked.text("account", self.world.dext.accounts)
            unasked = asked.flag("unasked")
            habits = self.webhooks.habits.turned(asked)
            asked.done()
        except (BadControlError, orjson.JSONDecodeError) as error:
            return _answer({"error": str(error)}, 400)
        self.webhooks.turn(habits)
        if url is None or key is None:
            return _answer({})
        known = [each for each in self.webhooks.subscriptions if each.url == url]
        tenant = self.world.dext.accounts[account].tenant if account else None
        subscription = known[0] if known else Subscription(url, key, account, tenant)
        subscription.key = key
        found = [] if unasked else await self.webhooks.ready(subscription)
        is_ready = all(each["ok"] for each in found)
        if is_ready and not known:
            self.webhooks.subscriptions.append(subscription)
        self.world.changed()
        return _answer({"ready": is_ready, "asked": found})

    async def unsubscribe(self, _request: web.Request) -> web.Response:
        """Tell nobody any more."""
        self.webhooks.subscriptions.clear()
        self.webhooks.turn(Habits())
        self.world.changed()
        return _answer({})


def _address(asked: Asked) -> tuple[str | None, str | None]:
    url, key = asked.text("url"), asked.text("key")
    if (url is None) != (key is None):
        raise BadControlError("url and key belong together.")
    return url, key


def _answer(told: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=plain(told), status=status, content_type="application/json")
