"""An address that webhooks come in at."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class _Hook:
    """Not a function: around one Starlette wraps twice as much as the answer costs."""

    take_in: Callable[[Request], Awaitable[int]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = await self.take_in(Request(scope, receive))
        await Response(status_code=status)(scope, receive, send)


def hook(path: str, take_in: Callable[[Request], Awaitable[int]]) -> Route:
    """`POST path`; what is posted is taken in, and answered by a status alone."""
    return Route(path, _Hook(take_in), methods=["POST"])
