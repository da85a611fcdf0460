"""Who calls, and how they are answered when that comes to nothing: one shape for every refusal."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from store.database import DatabaseUnavailableError
from store.organisations import Link, Organisation
from sync import partner
from sync.services import Services
from web.bodies import BodyError

log = structlog.get_logger()

Handler = Callable[[Request], Awaitable[Response]]
Route = tuple[str, list[str], Handler]
# When to come back. A person has to reconnect Xero; a database is away for less.
XERO_AGAIN_SECONDS, DATABASE_AGAIN_SECONDS = 300, 30


@dataclass(frozen=True, slots=True)
class Caller:
    """Dext, on behalf of one organisation."""

    organisation: Organisation
    link: Link


class RefusedError(Exception):
    """An answer that is none of those hoped for; the sentence is shown to a person in Dext."""

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        paths: Sequence[str] = (),
        again_seconds: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.paths = paths
        self.again_seconds = again_seconds

    def response(self) -> Response:
        """`{"error": {"code", "message", "fields"}}`, as the contract has it."""
        fields = [{"path": path, "code": self.code} for path in self.paths]
        headers = {"Retry-After": str(self.again_seconds)} if self.again_seconds else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        error = {"code": self.code, "message": str(self), "fields": fields}
        return JSONResponse({"error": error}, self.status, headers)


def guarded(services: Services, handle: Callable[[Request, Caller], Awaitable[Response]]) -> Handler:
    """A handler for callers that show a token which counts; whatever it raises becomes an answer."""

    async def answer(request: Request) -> Response:
        try:
            return await handle(request, await asyncio.to_thread(_caller, services, request))
        except RefusedError as error:
            return error.response()
        except BodyError as error:
            why = {408: "It did not come whole in time.", 413: "It is larger than what is taken."}
            return RefusedError(error.status, "body_not_read", why[error.status]).response()
        except DatabaseUnavailableError as error:
            log.warning("partner_not_served", why=str(error))
            sentence = "Ledgertide is not available for the moment; nothing was stored. Try again soon."
            refused = RefusedError(503, "unavailable", sentence, again_seconds=DATABASE_AGAIN_SECONDS)
            return refused.response()

    return answer


def require_xero(services: Services, caller: Caller) -> None:
    """Refuse while Xero is disconnected: what came in now could go nowhere."""
    with services.database.reading() as tx:
        connected = partner.is_xero_connected(tx, caller.organisation)
    if not connected:
        raise RefusedError(
            503,
            "xero_disconnected",
            f"{caller.organisation.name} is not connected to Xero now. Reconnect it, then try again.",
            again_seconds=XERO_AGAIN_SECONDS,
        )


def _caller(services: Services, request: Request) -> Caller:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = None
    if scheme.lower() == "bearer" and token:
        with services.database.reading() as tx:
            found = partner.whose(tx, token.strip())
    if found is None:
        raise RefusedError(
            401, "unauthorised", "The consent has ended, or was renewed. Connect Ledgertide again."
        )
    return Caller(*found)
