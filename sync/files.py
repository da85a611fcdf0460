"""The files of items: fetched once, checked, put on the shelf, and only then said to be there."""

import time
from dataclasses import dataclass

from config.limits import CallClass
from connectors import dext, errors
from connectors.http import Access
from limiter.limiter import Account
from store import files, organisations, usage
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
NO_ROOM = "The file could not be written to {folder} ({why}). Make room there; it is fetched again by itself."


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
            except NOT_OF_ONE_FILE as error:
                told.ended_by = error.code
                return told
            except (errors.ConnectorError, OSError) as error:
                _fail(services, link, file, error)
                told.failed += 1
                if isinstance(error, OSError) or error.code == "limiter_unavailable":
                    told.ended_by = "disk" if isinstance(error, OSError) else error.code
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
        with services.database.transaction() as tx:
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


def _wanted(services: Services, connection_id: str) -> list[WantedFile]:
    with services.database.reading() as tx:
        return files.wanted(tx, services.shape(ITEMS), connection_id, AT_ONCE)


def _fail(services: Services, link: Link, file: WantedFile, error: errors.ConnectorError | OSError) -> None:
    if isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        code, sentence = "disk", NO_ROOM.format(folder=services.settings.files_folder, why=why)
    else:
        code, sentence = error.code, error.sentence
    with services.database.transaction() as tx:
        files.fail(
            tx,
            organisation_id=link.organisation_id,
            connection_id=link.id,
            file=file,
            code=code,
            sentence=sentence,
            again=not isinstance(error, FOR_GOOD),
        )
