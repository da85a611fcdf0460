"""Reads Xero's lists over HTTP, one page at a time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

from config.limits import CallClass
from connectors import paging
from connectors.answers import Reading, read_answer
from connectors.dates import since_header
from connectors.endpoints import Endpoint
from connectors.errors import NotFoundError
from connectors.hints import answered_at
from connectors.http import Access, ApiClient, Got, Request
from connectors.pages import Cursor, Page
from connectors.sheets import Ask, Sheet, Step
from connectors.transport import Answer
from connectors.xero.params import FOR_ONE
from connectors.xero.table import ENDPOINTS


class XeroConnector:
    """Reads Xero's lists, one page at a time. One object serves all threads of a process."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self.endpoints = {endpoint.resource: endpoint for endpoint in ENDPOINTS}

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
        endpoint = self.endpoints[resource]
        ask = paging.ask(cursor)
        try:
            got = self._get(endpoint, ask, access, call_class, before_attempt)
        except NotFoundError as error:
            if ask.id is None:
                raise
            return _page(_NOTHING, paging.not_found(cursor), error.calls, 0)
        step = paging.step(cursor, got.value.sheet)
        return _page(_nameless(got.value) if step.listing else got.value, step, got.calls, got.bytes)

    def read_alone(
        self,
        resource: str,
        record_id: str,
        access: Access,
        call_class: CallClass,
        before_attempt: Callable[[], None],
    ) -> Page:
        """One record by its id, as a page of its own; NotFoundError when the provider has none.

        ValueError for a list whose records cannot be asked for one by one.
        """
        endpoint = self.endpoints[resource]
        if not endpoint.alone:
            raise ValueError(f"{resource} cannot be read one by one.")
        got = self._get(endpoint, Ask(id=record_id), access, call_class, before_attempt)
        if not got.value.sheet.rows:
            raise NotFoundError("The provider does not know what was asked for.", code="not_found")
        return _page(got.value, Step({}, last=True), got.calls, got.bytes)

    def _get(
        self,
        endpoint: Endpoint,
        ask: Ask,
        access: Access,
        call_class: CallClass,
        before_attempt: Callable[[], None],
    ) -> Got[Reading]:
        return self._api.get(
            _request(endpoint, ask, access),
            access.account,
            call_class,
            before_attempt,
            lambda answer: _read(endpoint, ask, answer),
        )


_NOTHING = Reading((), (), Sheet((), None, None))


def _nameless(reading: Reading) -> Reading:
    """Of a list that is not stored itself: what has no id, and so cannot be asked for either."""
    return replace(reading, records=(), rejects=tuple(row for row in reading.rejects if not row.id))


def _page(reading: Reading, step: Step, calls: int, size: int) -> Page:
    return Page(
        records=reading.records,
        rejects=reading.rejects,
        cursor=step.cursor,
        last=step.last,
        announced=step.announced,
        flaw=step.flaw,
        calls=calls,
        bytes=size,
    )


def _request(endpoint: Endpoint, ask: Ask, access: Access) -> Request:
    headers = {
        "Authorization": f"Bearer {access.token.get_secret_value()}",
        "xero-tenant-id": access.tenant_id,
        "Accept": "application/json",
    }
    if ask.since:
        headers["If-Modified-Since"] = since_header(ask.since)
    path = f"/api.xro/2.0/{endpoint.path}"
    return Request(
        path if ask.id is None else f"{path}/{quote(ask.id, safe='')}", _params(endpoint, ask), headers
    )


def _params(endpoint: Endpoint, ask: Ask) -> dict[str, str]:
    if ask.id is not None:
        return {name: value for name, value in endpoint.params.items() if name in FOR_ONE}
    params = dict(endpoint.params)
    if ask.page is not None:
        # Without a page Xero sends summaries: no lines, fewer fields.
        params["page"] = str(ask.page)
        if endpoint.asks_page_size:
            params["pageSize"] = str(ask.size)
    if ask.offset is not None:
        params["offset"] = str(ask.offset)
    return params


def _read(endpoint: Endpoint, ask: Ask, answer: Answer) -> Reading:
    if answer.status == 304:  # whether Xero ever says so is unconfirmed; it would mean an empty list
        return Reading((), (), Sheet((), None, answered_at(answer)))
    return read_answer(endpoint, ask, answer.body, answered_at(answer))
