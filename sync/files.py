"""The files of items: fetched once, checked, put on the shelf, and only then said to be there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from config.limits import CallClass
from connectors import dext, errors
from connectors.http import Access
from limiter.limiter import Account
from store import files, organisations, usage
from store.database import Transaction
from store.files import WantedFile
from store.organisations import Link
from sync.services import Services

ITEMS = "dext.items"
AT_ONCE = 20
# What is the connection's trouble, not this file's: its feeds show it and wait for it.
NOT_OF_ONE_FILE = (
    errors.RateLimitedError,
    errors.GrantLostError,
    errors.AccessLostError,
    errors.PermissionMissingError,
    errors.ConfigurationError,
)
# The same call would fail again.
FOR_GOOD = (errors.NotFoundError, errors.RejectedError, errors.UnsupportedError)
ENDS_THE_TURN = {"disk", "limiter_unavailable"}
NO_ROOM = "The file could not be written to {folder} ({why}). Make room there; it is fetched again by itself."


class ErasedError(Exception):
    """The organisation was erased while its file was on the way: nothing of it is kept."""


@dataclass(slots=True)
class Fetched:
    """What one turn brought, and why it ended: None when nothing was left to fetch."""

    stored: int = 0
    failed: int = 0
    ended_by: str | None = None


def fetch(services: Services, connection_id: str) -> Fetched:
    """Fetch files that a connection's items speak of, for as long as a short slice lasts or its calls allow.

    A killed worker, a full disk, a lost answer leave nothing to mend: what was not said to be here is
    fetched again. Two workers at once only do the same work twice.
    """
    with services.database.reading() as tx:
        link = organisations.link(tx, connection_id)
    told = Fetched()
    try:
        reader = _FileReader(services, link)
    except errors.ConnectorError as error:
        told.ended_by = error.code
        return told
    ends_at = time.monotonic() + services.pace.press_slice.total_seconds()
    while batch := _wanted(services, connection_id):
        for file in batch:
            if time.monotonic() > ends_at:
                told.ended_by = "slice"
                return told
            try:
                reader.fetch(file)
                told.stored += 1
            except ErasedError:
                told.ended_by = "erased"
            except NOT_OF_ONE_FILE as error:
                told.ended_by = error.code
            except (errors.ConnectorError, OSError) as error:
                told.failed += 1
                told.ended_by = _fail(services, link, file, error)
            if told.ended_by:
                return told
    return told


class _FileReader:
    """One connection's calls for files."""

    def __init__(self, services: Services, link: Link) -> None:
        self._services = services
        self._link = link
        self._port = services.dext
        self._account = Account(link.provider, link.id, link.day_limit)
        self._grant = services.tokens.valid(link.grant_id)

    def fetch(self, file: WantedFile) -> None:
        """Bring one file here; raises ConnectorError or OSError when it cannot be had."""
        services, owner = self._services, self._link.organisation_id
        with services.shelf.arriving(owner) as sink:
            try:
                found = self._port.file(file.record_id, sink, self._call(), sha256=file.sha256)
            except errors.TokenExpiredError:
                self._grant = services.tokens.renewed(self._grant)
                found = self._port.file(file.record_id, sink, self._call(), sha256=file.sha256)
            services.shelf.keep(owner, sink, found.sha256)
        with _of_the_living(services, self._link) as tx:
            files.keep(
                tx,
                organisation_id=owner,
                connection_id=self._link.id,
                file=file,
                sha256=found.sha256,
                size=found.size,
                content_type=found.content_type,
            )
            usage.count(tx, organisation_id=owner, connection_id=self._link.id, calls=1, size=found.size)

    def _call(self) -> dext.Call:
        access = Access(self._account, self._grant.access_token, self._link.tenant_id)
        return dext.Call(access, CallClass.FILE)


@contextmanager
def _of_the_living(services: Services, link: Link) -> Iterator[Transaction]:
    """A transaction during which nobody erases the organisation; raises ErasedError when somebody has."""
    with services.database.transaction() as tx:
        if organisations.hold(tx, link.id):
            yield tx
            return
    services.shelf.forget(link.organisation_id)
    raise ErasedError


def _wanted(services: Services, connection_id: str) -> list[WantedFile]:
    with services.database.reading() as tx:
        return files.wanted(tx, services.shape(ITEMS), connection_id, AT_ONCE)


def _fail(
    services: Services, link: Link, file: WantedFile, error: errors.ConnectorError | OSError
) -> str | None:
    """Note why this file is not here; returns what ends the turn, as it would end every other file too."""
    if isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        code, sentence = "disk", NO_ROOM.format(folder=services.settings.files_folder, why=why)
    else:
        code, sentence = error.code, error.sentence
    try:
        with _of_the_living(services, link) as tx:
            files.fail(
                tx,
                organisation_id=link.organisation_id,
                connection_id=link.id,
                file=file,
                code=code,
                sentence=sentence,
                again=not isinstance(error, FOR_GOOD),
            )
    except ErasedError:
        return "erased"
    return code if code in ENDS_THE_TURN else None
