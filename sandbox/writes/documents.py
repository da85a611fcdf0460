"""Changes documents as clients ask: by `POST /Invoices/{id}`, or several by `POST /Invoices`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.answers import Answer, not_found
from sandbox.clock import Clock
from sandbox.dataset import Dataset, stamped
from sandbox.edits import Listener
from sandbox.endpoints import BY_RESOURCE, Endpoint
from sandbox.lists import enclosed
from sandbox.records import Record, RecordList
from sandbox.rendering import render
from sandbox.writes import rules
from sandbox.writes.ledger import Ledger
from sandbox.writes.refusals import RefusedError, invalid, malformed
from sandbox.writes.rules import RULES

Element = Mapping[str, Any]

# What may still be changed once something is paid (Xero's changelog of 2026-03-19), as far as it is played.
_WHEN_PAID = frozenset({"Reference", "DueDate", "InvoiceNumber", "Url", "PlannedPaymentDate"})
_PAID = "This document cannot be edited as it has a payment or credit note allocated to it."


class Documents:
    """The documents of every organisation, as far as clients may change them."""

    def __init__(self, dataset: Dataset, clock: Clock, ledger: Ledger, heard: Listener) -> None:
        self.dataset = dataset
        self.clock = clock
        self.ledger = ledger
        self.heard = heard

    def change_one(self, tenant: str, endpoint: Endpoint, wanted: str, body: Any, *, exact: bool) -> Answer:
        """`POST /Invoices/{id}`: raises RefusedError for what Xero answers with a 400."""
        elements = _elements(endpoint, body)
        if len(elements) != 1:
            raise malformed("One element belongs here.")
        if self._find(tenant, endpoint, wanted) is None:
            return not_found()
        element = {endpoint.id: wanted} | dict(elements[0])
        if element[endpoint.id] != wanted:
            raise malformed(f"The {endpoint.id} is not the one of the address.")
        return enclosed(endpoint, [self._told(tenant, endpoint, element, exact)], self.clock.now_ms())

    def change_several(
        self, tenant: str, endpoint: Endpoint, body: Any, *, exact: bool, summarize: bool
    ) -> Answer:
        """`POST /Invoices`: with `summarize` one refusal refuses all, else each element has its own."""
        elements, told = _elements(endpoint, body), []
        for element in elements if summarize else ():
            self._check(tenant, endpoint, element)
        for element in elements:
            try:
                told.append(self._told(tenant, endpoint, element, exact))
            except RefusedError as refused:
                told.append(_in_place(endpoint, element, refused))
        return enclosed(endpoint, told, self.clock.now_ms())

    def attached(self, tenant: str, endpoint: Endpoint, record: Record) -> None:
        """A document has a file from now on: that is a change of it."""
        if record.fields.get("HasAttachments") is False:
            self._put(tenant, endpoint, record, {"HasAttachments": True})

    def _told(self, tenant: str, endpoint: Endpoint, element: Element, exact: bool) -> bytes:
        """Change a document; the bytes of its new state, which say a little more than a list does."""
        record = self._check(tenant, endpoint, element)
        changed = self._put(tenant, endpoint, record, element)
        if "Status" in element:
            self.ledger.applied[tenant, record.id, element["Status"]] += 1
        if element.get("Status") == rules.APPROVED and tenant in self.ledger.approvals_left:
            self.ledger.approvals_left[tenant] -= 1
        shown = {**endpoint.shown(changed.fields, exact=exact), "StatusAttributeString": "OK"}
        return render(shown, compact=endpoint.compact)

    def _put(self, tenant: str, endpoint: Endpoint, record: Record, changes: Element) -> Record:
        known = {name: value for name, value in changes.items() if name in record.fields}
        at = max(self.clock.now_ms(), record.modified_ms + 1)
        changed = Record(endpoint, stamped(endpoint, {**record.fields, **known}, at), at)
        self.dataset.list_of(tenant, endpoint).put(changed)
        self.heard(tenant, endpoint.resource, "edit", [record.id])
        return changed

    def _check(self, tenant: str, endpoint: Endpoint, element: Element) -> Record:
        record = self._find(tenant, endpoint, str(element.get(endpoint.id)))
        if record is None:
            raise invalid(element, f"The {endpoint.id} is unknown.")
        if words := self._why_not(tenant, endpoint, record, element):
            raise invalid({**element, endpoint.id: record.id}, words)
        return record

    def _why_not(self, tenant: str, endpoint: Endpoint, record: Record, element: Element) -> str | None:
        if words := self.ledger.refusals.get((tenant, record.id)):
            return words
        habits, before = RULES[endpoint.path], record.fields
        if words := rules.why_not(habits, before, element.get("Status", before["Status"])):
            return words
        other = set(element) - {endpoint.id, "Status"} - _WHEN_PAID
        if other and before.get("AmountPaid"):
            return _PAID
        return self._locked(tenant, before) or self._not_ready(tenant, before, element)

    def _locked(self, tenant: str, before: Element) -> str | None:
        organisation = self._rows(tenant, "xero.organisations").rows[0].fields
        locks = [
            at for name in ("PeriodLockDate", "EndOfYearLockDate") if (at := _ms(organisation.get(name)))
        ]
        if not locks or (_ms(before.get("Date")) or 0) > max(locks):
            return None
        return rules.LOCKED.format(datetime.fromtimestamp(max(locks) / 1000, UTC).strftime("%d %b %Y"))

    def _not_ready(self, tenant: str, before: Element, element: Element) -> str | None:
        """What keeps a document from being approved."""
        if element.get("Status") != rules.APPROVED or before["Status"] == rules.APPROVED:
            return None
        contact = self._rows(tenant, "xero.contacts").by_id.get(before["Contact"]["ContactID"])
        if contact is not None and contact.fields["ContactStatus"] != "ACTIVE":
            return rules.ARCHIVED_CONTACT
        closed = {
            row.fields.get("Code")
            for row in self._rows(tenant, "xero.accounts").rows
            if row.fields["Status"] != "ACTIVE"
        }
        for line in before["LineItems"]:
            if line.get("AccountCode") in closed:
                return rules.ARCHIVED_ACCOUNT.format(line["AccountCode"])
        return rules.PLAN_LIMIT if self.ledger.approvals_left.get(tenant, 1) <= 0 else None

    def _find(self, tenant: str, endpoint: Endpoint, wanted: str) -> Record | None:
        return self._rows(tenant, endpoint.resource).by_id.get(wanted)

    def _rows(self, tenant: str, resource: str) -> RecordList:
        records = self.dataset.list_of(tenant, BY_RESOURCE[resource])
        records.settle(self.clock.now())
        return records


def _elements(endpoint: Endpoint, body: Any) -> list[Element]:
    """One document, or a list of them under the list's name."""
    listed = body.get(endpoint.key, [body]) if isinstance(body, dict) else body
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise malformed(f"No {endpoint.key} were found in what was sent.")
    return listed


def _in_place(endpoint: Endpoint, element: Element, refused: RefusedError) -> bytes:
    """A refused element in a 200: it bears the status that was asked for, not the one that is."""
    told = {**element, **refused.element, "StatusAttributeString": "ERROR"}
    if RULES[endpoint.path].has_errors:
        told["HasErrors"] = True
    return render(told, compact=endpoint.compact)


def _ms(date: str | None) -> int | None:
    """The milliseconds of a date as Xero spells it."""
    found = re.search(r"-?\d+", date or "")
    return int(found[0]) if found else None
