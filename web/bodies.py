"""Bodies of requests, as they came, of a bounded size and within a bounded time."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from connectors.webhooks import LARGEST_BODY

ARRIVES_WITHIN_SECONDS = 10.0


class BodyError(Exception):
    """It will not be read; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the body is not read: {status}")
        self.status = status


async def read_body(request: Request, largest: int = LARGEST_BODY) -> bytes:
    """All of the body; raises BodyError when it is too large, or does not come."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > largest:
        raise BodyError(413)
    body = bytearray()
    try:
        async with asyncio.timeout(ARRIVES_WITHIN_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > largest:
                    raise BodyError(413)
    except (TimeoutError, ClientDisconnect) as error:
        raise BodyError(408) from error
    return bytes(body)
