"""Where Dext's webhooks come in, each connection at an address of its own: verified, stored, answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.dext import webhooks
from connectors.webhooks import Notice, NotUnderstoodError, SignatureError
from store import feeds, hooks, notices
from store.database import DatabaseUnavailableError, Transaction
from sync.services import Services
from web.bodies import BodyError, read_body
from web.inbox import Inbox

log = structlog.get_logger()

BY = "dext webhook"


@dataclass(frozen=True, slots=True)
class Sent:
    """What came to a token's address; `of` makes it the notice of the tenant whose the token is."""

    token: str
    of: Callable[[str], Notice | None]


def door(services: Services, inbox: Inbox[Sent, bool]) -> Route:
    """`POST /hooks/dext/{token}`: 202; 401 for what Dext did not sign just now; 404 for nobody's address."""
    secrets = [secret.get_secret_value() for secret in services.settings.dext_webhook_secrets]
    tolerance = services.settings.dext_webhook_tolerance

    async def take_in(request: Request) -> Response:
        token = request.path_params["token"]
        outcome, status = await _take_in(token, request, secrets, tolerance, inbox)
        services.counters.count(f"deliveries:dext:{outcome}")
        return Response(status_code=status)

    return Route("/hooks/dext/{token}", take_in, methods=["POST"])


async def _take_in(
    token: str, request: Request, secrets: Sequence[str], tolerance: timedelta, inbox: Inbox[Sent, bool]
) -> tuple[str, int]:
    """What became of an event, in a word, and the status to answer."""
    try:
        body = await read_body(request)
        signature = request.headers.get(webhooks.SIGNATURE_HEADER, "")
        webhooks.verify(body, signature, secrets, now=datetime.now(UTC), tolerance=tolerance)
        is_known = await inbox.put(Sent(token, webhooks.read(body)))
    except BodyError as error:
        return "refused", error.status
    except SignatureError:
        return "forged", 401
    except NotUnderstoodError as error:
        log.warning("delivery_not_understood", provider="dext", why=str(error))
        return "not_understood", 202  # sent again it would not read better
    except DatabaseUnavailableError as error:
        log.warning("delivery_not_stored", provider="dext", why=str(error))
        return "not_stored", 503
    return ("taken", 202) if is_known else ("of_nobody", 404)


def keep_all(tx: Transaction, together: Sequence[Sent]) -> list[bool]:
    """Keep what several tell, each once; says of each whether its address is anybody's."""
    tenants = hooks.tenants_of(tx, "dext", {sent.token for sent in together})
    told = [sent.of(tenants[sent.token]) for sent in together if sent.token in tenants]
    new = notices.keep(tx, "dext", [notice for notice in told if notice])
    # Dext wants all of these, not what changed; in one order for all, so that nobody deadlocks.
    for feed_id in sorted({notice.feed_id for notice in new if notice.kind == webhooks.RELOAD}):
        feeds.want_full(tx, feed_id, by=BY)
    return [sent.token in tenants for sent in together]
