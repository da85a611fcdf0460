"""Where Xero's webhooks come in: verified, stored once, answered; what follows from them follows later."""

from collections.abc import Sequence

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.webhooks import Delivery, NotUnderstoodError, SignatureError
from connectors.xero import webhooks
from store import deliveries
from store.database import DatabaseUnavailableError, Transaction
from sync.services import Services
from web.bodies import BodyError, read_body
from web.inbox import Inbox

log = structlog.get_logger()


def door(services: Services, inbox: Inbox[Delivery, None]) -> Route:
    """`POST /hooks/xero`. Xero wants an empty answer, no cookies: 200, or 401 for what it did not sign."""
    keys = [key.get_secret_value() for key in services.settings.xero_webhook_keys]

    async def take_in(request: Request) -> Response:
        outcome, status = await _take_in(request, keys, inbox)
        services.counters.count(f"deliveries:xero:{outcome}")
        return Response(status_code=status)

    return Route("/hooks/xero", take_in, methods=["POST"])


async def _take_in(request: Request, keys: Sequence[str], inbox: Inbox[Delivery, None]) -> tuple[str, int]:
    """What became of a delivery, in a word, and the status to answer."""
    try:
        body = await read_body(request)
        signer = webhooks.verify(body, request.headers.get(webhooks.SIGNATURE_HEADER, ""), keys)
        delivery = webhooks.read(body, signer)
        if delivery.numbers:
            await inbox.put(delivery)
    except BodyError as error:
        return "refused", error.status
    except SignatureError:
        return "forged", 401
    except NotUnderstoodError as error:
        # It is Xero's own: sent again it would not read better, and refusals end the subscription.
        log.warning("delivery_not_understood", provider="xero", why=str(error))
        return "not_understood", 200
    except DatabaseUnavailableError as error:
        log.warning("delivery_not_stored", provider="xero", why=str(error))
        return "not_stored", 503
    return "taken", 200


def keep_all(tx: Transaction, together: Sequence[Delivery]) -> list[None]:
    """Keep what several deliveries tell, each notice once, and which numbers came: in one statement."""
    told = [notice for delivery in together for notice in delivery.notices]
    deliveries.take_in(tx, "xero", told, [delivery.numbers for delivery in together if delivery.numbers])
    return [None] * len(together)
