"""Looks at documents in Xero and changes what a decision may: status, an order's reference, a note, a file.

Nothing else of a document is ever sent: no line, no amount, no contact.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from config.limits import CallClass
from connectors.answers import open_list, read_elements
from connectors.connector import Connector
from connectors.endpoints import Endpoint
from connectors.errors import BrokenAnswerError, InvalidError, RejectedError
from connectors.hints import answered_at
from connectors.http import Access, ApiClient, Got, Request
from connectors.pages import Page, Record
from connectors.transport import Answer
from connectors.xero.params import FOR_ONE

T = TypeVar("T")


@dataclass(frozen=True)
class Document:
    """A document as Xero has it now."""

    status: str | None
    type: str | None
    reference: str | None
    modified_at: datetime | None
    hash: str
    page: Page | None = None
    """As it is to be stored; None for what a write answered, which says a little more than a list does."""


@dataclass(frozen=True)
class Call:
    """For whom a call is made, and what runs before each of its attempts and may end them."""

    access: Access
    before_attempt: Callable[[], None]


class XeroDocuments:
    """What a decision asks of Xero. One object serves all threads of a process.

    Every write is sent once: UnknownOutcomeError means that it may have been done, and that one has to look.
    """

    def __init__(self, api: ApiClient, connector: Connector) -> None:
        self._api = api
        self._connector = connector

    def look(self, resource: str, document_id: str, call: Call) -> Got[Document]:
        """The document as it is; NotFoundError when there is none."""
        page = self._connector.read_alone(
            resource, document_id, call.access, CallClass.DECISION, call.before_attempt
        )
        if not page.records:
            raise RejectedError(f"The document cannot be read: {page.rejects[0].sentence}", code="unreadable")
        return Got(_document(page.records[0], page), page.calls, page.bytes)

    def set_status(self, resource: str, document_id: str, status: str, key: str, call: Call) -> Got[Document]:
        """Bring it to a status; InvalidError when Xero's rules refuse that."""
        return self._change(resource, document_id, {"Status": status}, key, call)

    def set_reference(
        self, resource: str, document_id: str, reference: str, key: str, call: Call
    ) -> Got[Document]:
        """Change its reference; InvalidError when Xero's rules refuse that."""
        return self._change(resource, document_id, {"Reference": reference}, key, call)

    def notes(self, resource: str, document_id: str, call: Call) -> Got[tuple[str, ...]]:
        """Its history, as the texts of its entries."""
        request = self._request("GET", resource, call, document_id, "History")

        def read(answer: Answer) -> tuple[str, ...]:
            return tuple(str(entry.get("Details", "")) for entry in _listed("HistoryRecords", answer))

        return self._ask(request, call, read)

    def add_note(self, resource: str, document_id: str, text: str, key: str, call: Call) -> Got[None]:
        """One more entry in its history."""
        body = {"HistoryRecords": [{"Details": text}]}
        request = self._request("PUT", resource, call, document_id, "History", key=key, body=body)
        return self._tell(request, call, lambda answer: _accepted("HistoryRecords", answer))

    def files(self, resource: str, document_id: str, call: Call) -> Got[dict[str, int | None]]:
        """The files attached to it, by name, with their lengths."""
        request = self._request("GET", resource, call, document_id, "Attachments")

        def read(answer: Answer) -> dict[str, int | None]:
            listed = _listed("Attachments", answer)
            return {str(each.get("FileName")): each.get("ContentLength") for each in listed}

        return self._ask(request, call, read)

    def attach(
        self,
        resource: str,
        document_id: str,
        name: str,
        mime: str,
        body: bytes,
        key: str,
        call: Call,
    ) -> Got[None]:
        """One more file."""
        request = self._request(
            "PUT", resource, call, document_id, "Attachments", name, key=key, body=body, mime=mime
        )
        return self._tell(request, call, lambda answer: _accepted("Attachments", answer))

    def _change(
        self, resource: str, document_id: str, fields: Mapping[str, str], key: str, call: Call
    ) -> Got[Document]:
        endpoint = self._connector.endpoints[resource]
        # Lines, amounts and the contact are left out, and so stay as they are.
        body = {endpoint.id: document_id, **fields}
        request = self._request("POST", resource, call, document_id, key=key, body=body)
        return self._tell(request, call, lambda answer: _changed(endpoint, document_id, answer))

    def _request(
        self,
        method: str,
        resource: str,
        call: Call,
        *places: str,
        key: str | None = None,
        body: object = None,
        mime: str = "application/json",
    ) -> Request:
        endpoint = self._connector.endpoints[resource]
        headers = {
            "Authorization": f"Bearer {call.access.token.get_secret_value()}",
            "xero-tenant-id": call.access.tenant_id,
            "Accept": "application/json",
        }
        if key is not None:
            headers |= {"Idempotency-Key": key, "Content-Type": mime}
        path = "/".join(["/api.xro/2.0", endpoint.path, *(quote(place, safe="") for place in places)])
        # The same decimals as when it is read: a write with fewer would round the prices.
        exact = {name: value for name, value in endpoint.params.items() if name in FOR_ONE}
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return Request(path, exact if len(places) == 1 else {}, headers, method=method, body=sent)

    def _ask(self, request: Request, call: Call, read: Callable[[Answer], T]) -> Got[T]:
        return self._api.get(request, call.access.account, CallClass.DECISION, call.before_attempt, read)

    def _tell(self, request: Request, call: Call, read: Callable[[Answer], T]) -> Got[T]:
        return self._api.write(
            request, call.access.account, CallClass.DECISION, call.before_attempt, read, repeatable=False
        )


def _document(record: Record, page: Page | None) -> Document:
    columns = record.columns
    return Document(
        columns.get("status"),
        columns.get("type"),
        columns.get("reference"),
        record.modified_at,
        record.hash,
        page,
    )


def _changed(endpoint: Endpoint, document_id: str, answer: Answer) -> Document:
    """The document after a change. A refused one bears the status that was asked for: look at its errors."""
    _accepted(endpoint.root, answer)
    _, elements = open_list(endpoint.root, answer.body, one=True)
    reading = read_elements(endpoint, elements, answered_at=answered_at(answer))
    if [record.id for record in reading.records] != [document_id]:
        raise BrokenAnswerError("The provider's answer is not about the document that was changed.")
    return _document(reading.records[0], None)


def _accepted(root: str, answer: Answer) -> None:
    """Raise InvalidError, with Xero's words, when a good status hides a refusal."""
    for element in _listed(root, answer):
        flaws = [str(flaw.get("Message")) for flaw in element.get("ValidationErrors") or ()]
        if flaws or element.get("HasErrors") or element.get("StatusAttributeString") == "ERROR":
            raise InvalidError("The provider does not accept what was sent.", provider_words=" ".join(flaws))


def _listed(root: str, answer: Answer) -> list[dict[str, Any]]:
    try:
        listed = json.loads(answer.body)[root]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BrokenAnswerError(f"The provider's answer holds no list of {root}.") from error
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BrokenAnswerError(f"The provider's answer holds no list of {root}.")
    return listed
