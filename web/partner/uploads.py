"""A document as it comes over HTTP: the item's JSON, and its file if one comes with it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from connectors.webhooks import LARGEST_BODY
from web.bodies import BodyError, read_body
from web.partner.callers import RefusedError

ARRIVES_WITHIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Upload:
    """What came; the file is on disk when it is large, and is read from its beginning."""

    item: str
    file: BinaryIO | None = None
    content_type: str = ""


async def read_upload(request: Request, largest_file: int) -> Upload:
    """Read `multipart/form-data` with the parts `item` and `file`, or the item alone as JSON.

    Raises BodyError for what is too large or too slow, RefusedError for what is neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        upload = Upload(_text(await read_body(request)))
    elif kind == "multipart/form-data":
        upload = await _parts(await _form(request, largest_file + LARGEST_BODY))
    else:
        raise RefusedError(422, "body_invalid", "Send the item as JSON, or multipart with its file.")
    if upload.file is None and _names_address(upload.item):
        raise _no_addresses("file.url")
    return upload


async def _form(request: Request, largest: int) -> FormData:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > largest:
        raise BodyError(413)
    parser = MultiPartParser(
        request.headers, _bounded(request, largest), max_files=2, max_fields=4, max_part_size=LARGEST_BODY
    )
    try:
        async with asyncio.timeout(ARRIVES_WITHIN_SECONDS):
            return await parser.parse()
    except (TimeoutError, ClientDisconnect) as error:
        raise BodyError(408) from error
    except (MultiPartException, KeyError, UnicodeDecodeError) as error:
        raise RefusedError(422, "body_invalid", "The parts of the body could not be told apart.") from error


async def _bounded(request: Request, largest: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > largest:
            raise BodyError(413)
        yield chunk


async def _parts(form: FormData) -> Upload:
    item, file = form.get("item"), form.get("file")
    if "file_url" in form or isinstance(file, str):
        raise _no_addresses("file")
    if isinstance(item, UploadFile):  # a part with a name of its own
        body = await item.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise BodyError(413)
        item = _text(body)
    if item is None:
        raise RefusedError(422, "body_invalid", "There is no part named item.", paths=["item"])
    return Upload(item, file.file, file.content_type or "") if file else Upload(item)


def _text(body: bytes) -> str:
    # Bytes that are no UTF-8 become half surrogates, which the item's reading refuses by itself.
    return body.decode("utf-8-sig", "surrogateescape")


def _names_address(item: str) -> bool:
    try:
        file = json.loads(item).get("file")
        return isinstance(file, dict) and bool(file.get("url"))
    except (ValueError, AttributeError, RecursionError):
        return False  # it is refused for that


def _no_addresses(path: str) -> RefusedError:
    # Whoever lets us fetch from an address of their choice could let us fetch from inside our own network.
    return RefusedError(
        422,
        "file_url_unsupported",
        "The file itself has to come with the item, as the part named file: no address is followed.",
        paths=[path],
    )
