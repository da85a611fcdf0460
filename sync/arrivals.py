"""Items of Dext come in by two doors, and go into the store by one: `take_in`.

we ask Dext:      a run reads a page      ─┐
                                           ├─► storing.store ─► records, publications, events
Dext calls us:    a document is handed in ─┘
"""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from connectors.answers import read_elements
from connectors.exact import read_whole
from connectors.pages import Page
from store import feeds, files, organisations, publications
from store.files import WantedFile
from store.organisations import Link, Organisation
from store.records import Destination
from sync.files import ITEMS
from sync.providers import ENDPOINTS
from sync.services import Services
from sync.storing import store, tell_of

ROOT = "data"
PIECE = 2**16


class ItemRefusedError(Exception):
    """The item cannot be stored; the sentence is fit for the person who published it.

    `code` is for programs, `path` the member of the item that is at fault, if it is one.
    """

    def __init__(self, sentence: str, *, code: str = "item_invalid", path: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.path = path


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of an item that was handed in."""

    item_id: str
    publication_id: str | None
    changed: str | None
    """`added`, `changed`, `archived`, `restored`; None when all of it was known: a repeat has no effect."""
    newest_event: int | None
    is_repeat: bool
    """Whether this publication of it had come before; without one, whether nothing of it was news."""


def take_in(
    services: Services,
    organisation: Organisation,
    content: str,
    *,
    file: BinaryIO | None = None,
    content_type: str = "",
) -> TakenIn:
    """Store one item that Dext hands us, and its file, exactly as if a run had read it.

    `content` is the item's JSON as it came, one object; numbers are kept digit for digit. The newer version
    wins, whatever order they come in, and a repeat changes nothing. The caller has proven that Dext may speak
    for this organisation. A `file` is read to its end, checked against what the item says of it, and on disk
    before the item is stored; without one it is fetched as any other.

    Raises ItemRefusedError for what can never be stored, and for a publication that is another item's already
    (`already_published`); OSError when the disk takes no file. Then nothing was stored, and the same may be
    handed in again.
    """
    page = _read(services, content)
    record = page.records[0]
    link = _link(services, organisation)
    kept = None
    if file is not None:
        kept = _keep(services, organisation.id, file, record.columns.get("file_sha256"))
    with services.database.transaction() as tx:
        feed = feeds.of(tx, link.id, ITEMS)
        if feed is None:
            raise ItemRefusedError(f"{organisation.slug} takes no items from Dext.", code="not_taken")
        publication = record.columns.get("publication_id")
        holders = (
            publications.holders(tx.scope(organisation.id), link.id, publication) if publication else set()
        )
        if holders - {record.id}:
            raise ItemRefusedError(
                f"This publication was handed in before, as item {min(holders)}. Publish this one anew.",
                code="already_published",
                path="publication.id",
            )
        whose = Destination(organisation.id, link.id, feed.id, ITEMS, feed.fence)
        stored = store(tx, services, whose, page)
        if kept is not None:
            files.keep(
                tx,
                organisation_id=organisation.id,
                connection_id=link.id,
                file=WantedFile(record.id, record.columns.get("file_sha256"), kept[1]),
                sha256=kept[0],
                size=kept[1],
                content_type=content_type,
            )
        newest = tell_of(tx, whose, stored)
    changed = next((kind for kind, ids in stored.ids.items() if record.id in ids), None)
    is_repeat = record.id in holders if publication else changed is None
    return TakenIn(record.id, publication, changed, newest, is_repeat)


def _read(services: Services, content: str) -> Page:
    endpoint = next(one for one in ENDPOINTS if one.resource == ITEMS)
    if "dext" in services.providers:
        endpoint = services.provider("dext").connector.endpoints[ITEMS]
    try:
        element = read_whole(content, ROOT)
    except (ValueError, RecursionError) as error:
        raise ItemRefusedError("The item is no JSON object, so it could not be read.") from error
    reading = read_elements(endpoint, (element,), answered_at=None)
    if reading.rejects:
        why = reading.rejects[0].why
        at_fault = (name for name in (endpoint.id, endpoint.modified) if name in why.split())
        raise ItemRefusedError(f"This item cannot be kept: {why}.", path=next(at_fault, None))
    size = len(content.encode(errors="replace"))
    return Page(reading.records, (), {}, last=True, announced=None, flaw=None, calls=0, bytes=size)


def _link(services: Services, organisation: Organisation) -> Link:
    with services.database.reading() as tx:
        links = organisations.links(tx, organisation.id)
    for link in links:
        if link.provider == "dext":
            return link
    raise ItemRefusedError(f"{organisation.slug} is not connected to Dext.", code="not_connected")


def _keep(services: Services, organisation_id: str, file: BinaryIO, expected: str | None) -> tuple[str, int]:
    """The file's hash and size, once it is on the shelf."""
    digest, size, largest = hashlib.sha256(), 0, services.settings.dext_largest_file_mib * 2**20
    with services.shelf.arriving(organisation_id) as sink:
        while piece := file.read(PIECE):
            size += len(piece)
            if size > largest:
                raise ItemRefusedError(
                    f"The file is larger than {largest // 2**20} MiB, so it was not taken.",
                    code="file_too_large",
                    path="file",
                )
            digest.update(piece)
            sink.write(piece)
        if expected and digest.hexdigest() != expected.lower():
            raise ItemRefusedError(
                "The file is not the one that the item speaks of: their hashes differ.",
                code="file_differs",
                path="file.sha256",
            )
        services.shelf.keep(organisation_id, sink, digest.hexdigest())
    return digest.hexdigest(), size
