"""What Dext reads here: who it is connected to, and Xero's lists as entries of Dext's."""

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors.dates import read_time
from connectors.dext.wire import entry_to_wire
from store import records
from sync.lists import offered
from sync.lists.mapping import Source
from sync.lists.offered import KINDS, NotReadYetError, Place
from sync.partner import is_xero_connected
from sync.services import Services
from web.partner.callers import XERO_AGAIN_SECONDS, Caller, RefusedError, Route, guarded, require_xero

USUAL, MOST = 100, 500


def routes(services: Services) -> list[Route]:
    """`GET /v1/organisation` and `GET /v1/lists/{kind}?updated_since&cursor&limit`."""

    async def organisation(_request: Request, caller: Caller) -> Response:
        return JSONResponse(await asyncio.to_thread(_organisation, services, caller))

    async def entries(request: Request, caller: Caller) -> Response:
        source = KINDS.get(request.path_params["kind"])
        if source is None:
            raise RefusedError(404, "unknown_list", f"There is no such list. There are: {', '.join(KINDS)}.")
        return JSONResponse(await asyncio.to_thread(_entries, services, caller, source, request.query_params))

    return [
        ("/v1/organisation", ["GET"], guarded(services, organisation)),
        ("/v1/lists/{kind}", ["GET"], guarded(services, entries)),
    ]


def _organisation(services: Services, caller: Caller) -> dict[str, Any]:
    with services.database.reading() as tx:
        scope, link = tx.scope(caller.organisation.id), caller.link
        xero = next((text for _, text in records.read(scope, services.shape("xero.organisations"))), "{}")
        ends_at = link.expires_at
        return {
            "id": caller.organisation.id,
            "name": caller.organisation.name,
            "base_currency": json.loads(xero).get("BaseCurrency"),
            "connection": {
                "status": link.state_at(tx.now),
                "expires_at": _written(ends_at) if ends_at else None,
            },
            "xero": {"status": "connected" if is_xero_connected(tx, caller.organisation) else "disconnected"},
            "lists": list(KINDS),
            "unsupported_types": sorted(services.settings.dext_unsupported_types),
        }


def _entries(services: Services, caller: Caller, source: Source, asked: Mapping[str, str]) -> dict[str, Any]:
    require_xero(services, caller)
    since, after, limit = _since(asked), _place(asked.get("cursor")), _limit(asked)
    if after is None:  # whoever goes on is told of one look
        try:
            offered.look(services, caller.link, source)
        except NotReadYetError:
            sentence = "This list was not read from Xero yet. It is soon; try again in some minutes."
            raise RefusedError(503, "not_read_yet", sentence, again_seconds=XERO_AGAIN_SECONDS) from None
    found, going_on = offered.page(services, caller.link, source, since=since, after=after, limit=limit)
    return {
        "data": [{**entry_to_wire(one.entry), "updated_at": _written(one.since)} for one in found],
        "page": {"next_cursor": _cursor(going_on) if going_on else None, "limit": limit},
    }


def _since(asked: Mapping[str, str]) -> datetime | None:
    written = asked.get("updated_since")
    moment = read_time(written) if written else None
    if written and moment is None:
        raise _odd("updated_since", "is no time such as 2026-11-20T08:00:00Z")
    return moment


def _limit(asked: Mapping[str, str]) -> int:
    written = asked.get("limit", str(USUAL))
    if not (written.isascii() and written.isdecimal() and 0 < len(written) < 10 and int(written)):
        raise _odd("limit", f"is no number from 1 to {MOST}")
    return min(int(written), MOST)


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps([place[0].isoformat(), place[1]]).encode()).decode()


def _place(cursor: str | None) -> Place | None:
    if not cursor:
        return None
    try:
        moment, external_id = json.loads(base64.urlsafe_b64decode(cursor))
        place = datetime.fromisoformat(moment), str(external_id)
        return place if place[0].tzinfo and "\x00" not in place[1] else _no_place()
    except (ValueError, TypeError):
        return _no_place()


def _no_place() -> Place:
    raise _odd("cursor", "is none of ours; begin without one") from None


def _odd(name: str, what: str) -> RefusedError:
    return RefusedError(422, "invalid", f"{name} {what}.", paths=[name])


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
