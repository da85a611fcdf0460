"""Reads Xero's lists over HTTP, one page at a time."""

from collections.abc import Callable
from datetime import datetime

from config.limits import CallClass
from connectors import paging
from connectors.answers import Reading, read_answer
from connectors.dates import since_header
from connectors.endpoints import Endpoint
from connectors.hints import answered_at
from connectors.http import Access, ApiClient, Request
from connectors.pages import Cursor, Page
from connectors.sheets import Ask, Sheet
from connectors.transport import Answer
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
        got = self._api.get(
            _request(endpoint, ask, access),
            access.account,
            call_class,
            before_attempt,
            lambda answer: _read(endpoint, ask, answer),
        )
        step = paging.step(cursor, got.value.sheet)
        return Page(
            records=got.value.records,
            rejects=got.value.rejects,
            cursor=step.cursor,
            last=step.last,
            announced=step.announced,
            flaw=step.flaw,
            calls=got.calls,
            bytes=got.bytes,
        )


def _request(endpoint: Endpoint, ask: Ask, access: Access) -> Request:
    params = dict(endpoint.params)
    if endpoint.paging != "whole":
        # Without a page Xero sends summaries: no lines, fewer fields.
        params["page"] = str(ask.page)
        if endpoint.asks_page_size:
            params["pageSize"] = str(ask.size)
    headers = {
        "Authorization": f"Bearer {access.token.get_secret_value()}",
        "xero-tenant-id": access.tenant_id,
        "Accept": "application/json",
    }
    if ask.since:
        headers["If-Modified-Since"] = since_header(ask.since)
    return Request(f"/api.xro/2.0/{endpoint.path}", params, headers)


def _read(endpoint: Endpoint, ask: Ask, answer: Answer) -> Reading:
    if answer.status == 304:  # whether Xero ever says so is unconfirmed; it would mean an empty list
        return Reading((), (), Sheet((), None, answered_at(answer)))
    return read_answer(endpoint, ask.page, answer.body, answered_at(answer))
