"""Pulled documents are read-only: judges every write that any sandbox of the test run was sent by us.

Each sandbox notes its writes in a file (SANDBOX_WRITES), however it was started; when the last test has ended
all of them are judged. What tests send by themselves, to try the sandbox, bears another name of the caller.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from config.decisions import KINDS, REJECTED

OURS = "ledgertide"  # the name that our calls bear
DOCUMENTS = {
    "Invoices": "InvoiceID",
    "CreditNotes": "CreditNoteID",
    "PurchaseOrders": "PurchaseOrderID",
    "Quotes": "QuoteID",
}
RESOURCES = {
    "Invoices": "xero.invoices",
    "CreditNotes": "xero.credit_notes",
    "PurchaseOrders": "xero.purchase_orders",
    "Quotes": "xero.quotes",
}
STATUSES = {
    listed: {way.status for kind in KINDS.values() if kind.resource == resource for way in kind.ways.values()}
    - {None}
    for listed, resource in RESOURCES.items()
}
# Whoever runs this has sent something: a run that then has noted nothing has judged nothing.
SENDS = "tests/integration/test_decisions.py::test_only_id_and_status_are_sent_under_the_decisions_own_key"
_PLACE = re.compile(r"/api\.xro/2\.0/(?P<list>\w+)/(?P<id>[^/]+)(?:/(?P<beside>\w+)(?:/(?P<name>.+))?)?")


def flaws(calls: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Each write of ours that sends more than a status, a mark in an order's reference, a note or a file."""
    for call in calls:
        if call["agent"] == OURS and not _is_allowed(call):
            yield f"{call['method']} {call['path']} sent {call['body']}"


def _is_allowed(call: Mapping[str, Any]) -> bool:
    place = _PLACE.fullmatch(call["path"])
    if place is None or place["list"] not in DOCUMENTS:
        return False
    match call["method"], place["beside"], bool(place["name"]):
        case "POST", None, False:
            return _is_decision(json.loads(call["body"]), place["list"], place["id"])
        case "PUT", "History", False:
            return [list(note) for note in _notes(call)] == [["Details"]]
        case "PUT", "Attachments", True:
            return True
    return False


def _is_decision(body: dict[str, Any], listed: str, document: str) -> bool:
    what = {name: value for name, value in body.items() if name != DOCUMENTS[listed]}
    if body.get(DOCUMENTS[listed]) != document or len(what) != 1:
        return False
    marks = listed == "PurchaseOrders" and str(what.get("Reference", "")).startswith(REJECTED)
    return what.get("Status") in STATUSES[listed] or marks


def _notes(call: Mapping[str, Any]) -> list[dict[str, Any]]:
    body = json.loads(call["body"])
    return list(body["HistoryRecords"]) if list(body) == ["HistoryRecords"] else []


def noted(folder: Path) -> Iterator[dict[str, Any]]:
    """Every write that the sandboxes noted there."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            yield json.loads(line)


class ReadOnly:
    """Judges what the sandboxes noted in a folder, when all workers have ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._has_sent = False
        self._judged = 0
        self._flaws: list[str] = []

    @classmethod
    def of_run(cls) -> "ReadOnly":
        """Gives the sandboxes of this run their folder."""
        folder = tempfile.mkdtemp(prefix="ledgertide-writes-")
        os.environ["SANDBOX_WRITES"] = folder
        return cls(Path(folder))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._has_sent |= report.when == "call" and report.passed and report.nodeid.startswith(SENDS)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        calls = [call for call in noted(self._folder) if call["agent"] == OURS]
        self._judged, self._flaws = len(calls), list(flaws(calls))
        if self._has_sent and not calls:
            self._flaws.append("decisions were sent, and no write of ours was noted to be judged")
        for file in self._folder.iterdir():
            file.unlink()
        self._folder.rmdir()
        if self._flaws:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.write_line(f"writes to Xero: {self._judged}, not allowed: {len(self._flaws)}")
        for flaw in self._flaws[:20]:
            terminalreporter.write_line(f"  {flaw}", red=True)
