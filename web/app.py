"""The web application: its doors, and what goes on beside them while it lives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from limiter.client import LimiterUnavailableError
from sync.services import Services
from web import dext, health, metrics, partner, xero
from web.inbox import Inbox

TURN_SECONDS = 1.0


def make_web(services: Services) -> ASGIApp:
    """Every door; the caller opens the services and closes them."""
    from_xero = Inbox(services.database.statement, xero.keep_all)
    from_dext = Inbox(services.database.transaction, dext.keep_all)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        lasting = (from_xero.work(), from_dext.work(), _go_round(services))
        duties = [asyncio.create_task(duty) for duty in lasting]
        try:
            yield
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)

    # No pages about itself: whoever may use a door knows it.
    app = FastAPI(title="Ledgertide", lifespan=lifespan, openapi_url=None)
    app.include_router(health.doors(services))
    app.include_router(metrics.doors(services))
    if services.settings.dext_partner_url:
        app.include_router(partner.doors(services))
    hooks = Router([xero.door(services, from_xero), dext.door(services, from_dext)])

    async def doors(scope: Scope, receive: Receive, send: Send) -> None:
        # Webhooks come in storms, and need nothing of what FastAPI does around a request: half of its cost.
        is_hook = scope["type"] == "http" and scope["path"].startswith("/hooks/")
        await (hooks if is_hook else app)(scope, receive, send)

    return doors


async def _go_round(services: Services) -> None:
    """Show that this process lives, and bring what it counted to everybody's numbers."""
    while True:
        with contextlib.suppress(LimiterUnavailableError):  # what was counted is kept until it is back
            await asyncio.to_thread(services.pulse.beat, "web")
            await asyncio.to_thread(services.counters.flush)
        await asyncio.sleep(TURN_SECONDS)
