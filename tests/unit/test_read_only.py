"""The judge of every write of the test run lets through what a decision sends, and nothing else."""

import json
from typing import Any

import pytest

from tests.services.read_only import flaws

ID = "12345678-1234-4234-a234-123456789012"


def call(method: str, path: str, body: object, agent: str = "ledgertide") -> dict[str, Any]:
    return {"agent": agent, "method": method, "path": f"/api.xro/2.0/{path}", "body": json.dumps(body)}


ALLOWED = [
    ("POST", f"Invoices/{ID}", {"InvoiceID": ID, "Status": "AUTHORISED"}),
    ("POST", f"Quotes/{ID}", {"QuoteID": ID, "Status": "SENT"}),
    ("POST", f"PurchaseOrders/{ID}", {"PurchaseOrderID": ID, "Reference": "Rejected Job 7"}),
    ("PUT", f"CreditNotes/{ID}/History", {"HistoryRecords": [{"Details": "Approved"}]}),
    ("PUT", f"Invoices/{ID}/Attachments/audit.pdf", "12 bytes of application/pdf"),
]
FORBIDDEN = [
    ("POST", f"Invoices/{ID}", {"InvoiceID": ID, "Status": "AUTHORISED", "LineItems": []}),
    ("POST", f"Invoices/{ID}", {"InvoiceID": ID, "Reference": "Rejected"}),
    ("POST", f"Invoices/{ID}", {"InvoiceID": "another", "Status": "AUTHORISED"}),
    ("POST", f"PurchaseOrders/{ID}", {"PurchaseOrderID": ID, "Reference": "Job 8"}),
    ("POST", f"PurchaseOrders/{ID}", {"PurchaseOrderID": ID, "Contact": {"ContactID": ID}}),
    ("POST", "Invoices", {"InvoiceID": ID, "Status": "AUTHORISED"}),
    ("PUT", "Invoices", {"Invoices": []}),
    ("PUT", f"Invoices/{ID}/History", {"HistoryRecords": [{"Details": "x", "User": "me"}]}),
    ("POST", f"Contacts/{ID}", {"ContactID": ID, "Status": "ARCHIVED"}),
    ("PUT", "Payments", {"Amount": 5}),
    ("DELETE", f"Invoices/{ID}/Attachments/audit.pdf", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ALLOWED)
def test_what_a_decision_sends_is_let_through(method: str, path: str, body: object) -> None:
    assert list(flaws([call(method, path, body)])) == []


@pytest.mark.parametrize(("method", "path", "body"), FORBIDDEN)
def test_everything_else_is_a_flaw_when_it_is_ours(method: str, path: str, body: object) -> None:
    assert len(list(flaws([call(method, path, body)]))) == 1
    assert list(flaws([call(method, path, body, agent="Python-urllib/3.11")])) == []
