"""Reads Dext's lists over HTTP, one page at a time."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from config.dext import DextSettings
from config.limits import CallClass
from connectors import paging
from connectors.answers import Reading
from connectors.dext.answers import read_alone, read_page
from connectors.dext.asking import ask
from connectors.dext.table import endpoints
from connectors.endpoints import Endpoint
from connectors.errors import BrokenAnswerError, NotFoundError, RejectedError
from connectors.http import Access, ApiClient, Got, Request
from connectors.pages import Cursor, Page
from connectors.sheets import Ask, Step

KEYS = "keys"
"""In a cursor, beside what the habit keeps there: the keys that Dext gave for the pages after the first."""
LOST = "lost"
"""How often Dext did not know one of its keys any more, in this run."""
MOST_LOST = 5


class DextConnector:
    """Reads Dext's lists, one page at a time. One object serves all threads of a process."""

    def __init__(self, api: ApiClient, settings: DextSettings) -> None:
        self._api = api
        self._settings = settings
        self.endpoints = {endpoint.resource: endpoint for endpoint in endpoints(settings)}

    def begin(self, resource: str, newest: datetime | None) -> Cursor:
        """The cursor of a run that goes on from `newest`, less an overlap; None reads from the beginning."""
        endpoint = self.endpoints[resource]
        return paging.begin(endpoint.paging, endpoint.page_size, newest)

    def newest(self, cursor: Cursor) -> datetime | None:
        """Up to here reading is without a gap: the feed's cursor, when the run ends or is broken off.

        None while nothing is known, and for lists that are read whole each time.
        """
        return paging.newest(cursor)

    def read(
        self,
        resource: str,
        cursor: Cursor,
        access: Access,
        call_class: CallClass,
        before_attempt: Callable[[], None],
    ) -> Page:
        """One page, by one GET that succeeded; ConnectorError when none did.

        `before_attempt` is called before each HTTP attempt. The page's cursor is plain JSON and can be taken
        up again after any pause; store it together with the page's records.
        """
        endpoint, asked, keys = self.endpoints[resource], paging.ask(cursor), _keys(cursor)
        request = self._request(endpoint, asked, keys, access)
        try:
            got = self._api.get(
                request,
                access.account,
                call_class,
                before_attempt,
                lambda answer: read_page(self._settings, endpoint, answer),
            )
        except (RejectedError, NotFoundError) as error:
            if not _used(asked, keys) or cursor.get(LOST, 0) >= MOST_LOST:
                raise
            return self._again(resource, cursor, error.calls)
        reading, key = got.value
        step = paging.step(cursor, reading.sheet)
        return _page(reading, step, got, _with_keys(step.cursor, cursor, asked, key))

    def read_alone(
        self,
        resource: str,
        record_id: str,
        access: Access,
        call_class: CallClass,
        before_attempt: Callable[[], None],
    ) -> Page:
        """One record by its id, as a page of its own; NotFoundError when Dext has none.

        ValueError for a list whose records cannot be asked for one by one.
        """
        endpoint = self.endpoints[resource]
        if not endpoint.alone:
            raise ValueError(f"{resource} cannot be read one by one.")
        got = self._api.get(
            ask(self._settings, "item", access, id=record_id),
            access.account,
            call_class,
            before_attempt,
            lambda answer: read_alone(endpoint, answer),
        )
        return _page(got.value, Step({}, last=True), got, {})

    def _again(self, resource: str, cursor: Cursor, calls: int) -> Page:
        """Go on from what was read without a gap: Dext does not know the key of the page any more."""
        fresh = {**self.begin(resource, self.newest(cursor)), LOST: cursor.get(LOST, 0) + 1}
        return Page((), (), fresh, last=False, announced=None, flaw=None, calls=calls, bytes=0)

    def _request(self, endpoint: Endpoint, asked: Ask, keys: list[str], access: Access) -> Request:
        params = dict(endpoint.params)
        if asked.since is not None:
            params[self._settings.dext_changed_since_param] = _written(asked.since)
        if asked.page is not None:
            params["limit"] = str(asked.size)
            if self._settings.dext_paging == "page":
                params["page"] = str(asked.page)
            elif key := _used(asked, keys):
                params["cursor"] = key
        if endpoint.reference:
            return ask(self._settings, "get_list", access, params=params, kind=endpoint.path)
        return ask(self._settings, endpoint.path, access, params=params)


def _keys(cursor: Cursor) -> list[str]:
    return list(cursor.get(KEYS, ()))


def _used(asked: Ask, keys: list[str]) -> str | None:
    """The key of the page that is asked for; the first page has none."""
    place = (asked.page or 1) - 2
    return keys[place] if 0 <= place < len(keys) else None


def _with_keys(step: Cursor, cursor: Cursor, asked: Ask, key: str | None) -> Cursor:
    """The cursor that follows, with the keys of its window's pages: reading also goes back."""
    keys, place = _keys(cursor), (asked.page or 1) - 1
    if key is not None and key in keys[:place]:
        raise BrokenAnswerError(
            "The provider's list leads back to a page before. It is asked again by itself."
        )
    if key is not None:
        keys[place : place + 1] = [key]
    kept = {KEYS: keys if paging.ask(step).since == asked.since else [], LOST: cursor.get(LOST)}
    return {**step, **{name: value for name, value in kept.items() if value}}


def _page(reading: Reading, step: Step, got: Got[Any], cursor: Cursor) -> Page:
    return Page(
        records=reading.records,
        rejects=reading.rejects,
        cursor=cursor,
        last=step.last,
        announced=step.announced,
        flaw=step.flaw,
        calls=got.calls,
        bytes=got.bytes,
    )


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
