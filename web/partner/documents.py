"""Documents that Dext hands in, and what became of one."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from store import files, publications, records
from store.files import StoredFile
from sync.arrivals import ItemRefusedError, take_in
from sync.files import ITEMS
from sync.services import Services
from web.partner.callers import Caller, RefusedError, Route, guarded, require_xero
from web.partner.uploads import Upload, read_upload

log = structlog.get_logger()

DISK_AGAIN_SECONDS = 300


def routes(services: Services) -> list[Route]:
    """`POST /v1/documents`: 201, 200 for a publication that came before; `GET /v1/documents/{id}`."""
    largest = services.settings.dext_largest_file_mib * 2**20

    async def hand_in(request: Request, caller: Caller) -> Response:
        await asyncio.to_thread(require_xero, services, caller)
        upload = await read_upload(request, largest)
        return await asyncio.to_thread(_hand_in, services, caller, upload)

    async def tell(request: Request, caller: Caller) -> Response:
        document_id = request.path_params["document_id"]
        return JSONResponse(await asyncio.to_thread(_told, services, caller, document_id))

    return [
        ("/v1/documents", ["POST"], guarded(services, hand_in)),
        ("/v1/documents/{document_id:path}", ["GET"], guarded(services, tell)),
    ]


def _hand_in(services: Services, caller: Caller, upload: Upload) -> Response:
    try:
        taken = take_in(
            services,
            caller.organisation,
            upload.item,
            file=upload.file,
            content_type=upload.content_type,
        )
    except ItemRefusedError as error:
        status = 409 if error.code == "already_published" else 422
        raise RefusedError(
            status, error.code, str(error), paths=[error.path] if error.path else []
        ) from error
    except OSError as error:
        log.warning("document_not_kept", why=str(error))
        sentence = "The file could not be written here. Nothing was stored; try again later."
        raise RefusedError(503, "unavailable", sentence, again_seconds=DISK_AGAIN_SECONDS) from error
    finally:
        if upload.file:
            upload.file.close()
    return JSONResponse(_received(services, taken.item_id), 200 if taken.is_repeat else 201)


def _told(services: Services, caller: Caller, document_id: str) -> dict[str, Any]:
    with services.database.reading() as tx:
        scope = tx.scope(caller.organisation.id)
        text = records.one(scope, services.shape(ITEMS), document_id) if "\x00" not in document_id else None
        if text is None:
            raise RefusedError(404, "unknown_document", "No such document was handed in here.")
        heard = publications.of(scope, caller.link.id).get(document_id, ())
        file = files.find(scope, caller.link.id, document_id)
    item = json.loads(text)
    return {
        **_received(services, document_id),
        "supported": item.get("type") not in services.settings.dext_unsupported_types,
        "publications": [one.id for one in heard],
        "file": _file(file),
    }


def _received(services: Services, document_id: str) -> dict[str, Any]:
    url = f"{services.settings.dext_partner_url}/partner/dext/v1/documents/{quote(document_id, safe='')}"
    return {"id": document_id, "status": "received", "url": url}


def _file(file: StoredFile | None) -> dict[str, Any] | None:
    if file is None or file.stored_at is None:
        return None
    return {"sha256": file.sha256, "size": file.size, "content_type": file.content_type}
