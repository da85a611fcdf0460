"""Where Dext exchanges a code, refreshes a pair, and gives one back."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qsl

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from store.database import DatabaseUnavailableError
from store.organisations import ConnectRefusedError
from sync.services import Services
from web.bodies import BodyError, read_body
from web.partner.callers import DATABASE_AGAIN_SECONDS, Handler, Route
from web.partner.client import Asked
from web.partner.server import NO_STORE, PartnerServer

log = structlog.get_logger()

LARGEST_FORM = 2**14


def routes(services: Services) -> list[Route]:
    """`POST /oauth/token` and `POST /oauth/revoke`, as RFC 6749, 7636 and 7009 have them."""

    def door(answer: Callable[[PartnerServer, Asked], Response]) -> Handler:
        async def take_in(request: Request) -> Response:
            try:
                body = await read_body(request, LARGEST_FORM)
                pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
            except BodyError as error:
                return _error(error.status, "invalid_request", "The body was not read.")
            except ValueError:
                return _error(400, "invalid_request", "The body is no form.")
            asked = Asked(services.settings, "POST", pairs, request.headers)
            return await asyncio.to_thread(_answer, services, answer, asked)

        return take_in

    return [
        ("/oauth/token", ["POST"], door(lambda server, asked: server.create_token_response(asked))),
        (
            "/oauth/revoke",
            ["POST"],
            door(lambda server, asked: server.create_endpoint_response("revocation", asked)),
        ),
    ]


def _answer(services: Services, answer: Callable[[PartnerServer, Asked], Response], asked: Asked) -> Response:
    try:
        with services.database.transaction() as tx:
            return answer(PartnerServer(services, tx), asked)
    except ConnectRefusedError as error:
        log.warning("consent_not_taken", why=str(error))
        return _error(400, "invalid_grant", "Another Dext account was connected meanwhile.")
    except DatabaseUnavailableError as error:
        log.warning("partner_not_served", why=str(error))
        again = str(DATABASE_AGAIN_SECONDS)
        return _error(503, "temporarily_unavailable", "Try again soon.", {"Retry-After": again})


def _error(status: int, code: str, sentence: str, headers: dict[str, str] | None = None) -> Response:
    content = {"error": code, "error_description": sentence}
    return JSONResponse(content, status, {**NO_STORE, **(headers or {})})
