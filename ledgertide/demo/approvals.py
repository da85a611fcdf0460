"""Bills that are approved here and in Xero, and some that somebody else changes there in between."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from celery import Celery

from ledgertide.deciding import DecisionHandle, DecisionLine, decide
from ledgertide.demo.edits import BY, Customer
from ledgertide.embedded.sandbox_doors import SandboxDoors

INVOICES = "xero.invoices"
IN_EACH = 3
"""Bills of one organisation; somebody else changes the first of them."""
SETTLED_WITHIN = timedelta(minutes=2)
APPROVED = {"AUTHORISED": 1}


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the decisions, by Xero's own count."""

    pushed: int
    applied_once: int
    conflicts: int
    seconds: float
    flaws: tuple[str, ...] = ()


@dataclass
class Approvals:
    """Bills are handed in, then decided about."""

    doors: SandboxDoors
    app: Celery
    bills: dict[str, Customer] = field(default_factory=dict)

    def hand_in(self, customers: Iterable[Customer]) -> None:
        """Somebody enters bills at Xero that wait for approval; nobody decides before they are read."""
        for customer in customers:
            tenant = customer.tenant(INVOICES)
            if not (supplier := self._supplier(tenant)):
                continue  # nobody whose bill it could be
            fields: dict[str, Any] = {"Type": "ACCPAY", "Status": "SUBMITTED"}
            fields |= {"Contact": supplier, "Payments": [], "CreditNotes": [], "AmountPaid": 0}
            made = self.doors.edit(tenant, INVOICES, "add", count=IN_EACH, fields=fields)
            self.bills |= dict.fromkeys(made, customer)

    def approve(self) -> Decided:
        """Approve all; what somebody changed after it was read has to become a conflict."""
        began, changed = time.monotonic(), set[str]()
        handles: dict[str, DecisionHandle] = {}
        for number, (bill, customer) in enumerate(self.bills.items()):
            if number % IN_EACH == 0:
                mark = {"Reference": "changed after it was seen"}
                changed |= set(
                    self.doors.edit(customer.tenant(INVOICES), INVOICES, "edit", ids=[bill], fields=mark)
                )
            note = "Approved in the demo"
            handles[bill] = decide(self.app, customer.slug, "bill", bill, "approve", by=BY, note=note)
        lines = {bill: handle.wait(SETTLED_WITHIN, for_all=True) for bill, handle in handles.items()}
        seconds = time.monotonic() - began
        outcomes = [line.outcome for line in lines.values()]
        return Decided(
            len(lines),
            outcomes.count("confirmed"),
            outcomes.count("conflict"),
            seconds,
            tuple(self._flaws(lines, changed)),
        )

    def _flaws(self, lines: dict[str, DecisionLine], changed: set[str]) -> Iterable[str]:
        tenants = {customer.tenant(INVOICES) for customer in self.bills.values()}
        counted = {bill: found for each in tenants for bill, found in self.doors.applied(each).items()}
        for bill, line in lines.items():
            wanted = ("conflict", {}) if bill in changed else ("confirmed", APPROVED)
            found = (line.outcome, counted.get(bill, {}))
            if found != wanted or not line.finished:
                why = line.error or line.reason or ""
                yield f"{line.organisation} bill {bill}: {found[0]}, applied {found[1]}. {why}"

    def _supplier(self, tenant: str) -> dict[str, str] | None:
        contacts = json.loads(self.doors.dump(tenant, "xero.contacts"))["records"]
        active = next((each for each in contacts if each["ContactStatus"] == "ACTIVE"), None)
        return active and {"ContactID": active["ContactID"], "Name": active["Name"]}
