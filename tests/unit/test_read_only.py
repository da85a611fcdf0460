"""The judge of every write of the test run lets through what a decision sends, and nothing else."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.services.read_only import SENDS, ReadOnly, flaws

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
    ("POST", f"Invoices/{ID}", {"InvoiceID": ID, "Status": "PAID"}),
    ("POST", f"PurchaseOrders/{ID}", {"PurchaseOrderID": ID, "Status": None}),
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


@pytest.mark.parametrize(
    ("sent", "noted", "status"),
    [
        (True, True, pytest.ExitCode.OK),
        (True, False, pytest.ExitCode.TESTS_FAILED),
        (False, False, pytest.ExitCode.OK),
    ],
)
def test_a_run_that_sent_decisions_and_noted_none_has_proven_nothing(
    tmp_path: Path, sent: bool, noted: bool, status: int
) -> None:
    folder = tmp_path / "writes"
    folder.mkdir()
    if noted:
        line = json.dumps(call("POST", f"Quotes/{ID}", {"QuoteID": ID, "Status": "SENT"}))
        (folder / "1.jsonl").write_text(line)
    judge, session = ReadOnly(folder), SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    if sent:
        judge.pytest_runtest_logreport(
            pytest.TestReport(f"{SENDS}[sqlite]", ("", 1, ""), {}, "passed", None, "call")
        )

    judge.pytest_sessionfinish(cast("pytest.Session", session))

    assert session.exitstatus is status
