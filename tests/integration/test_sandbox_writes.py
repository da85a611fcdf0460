"""The sandbox takes writes as Xero does: what each document allows, refusals, keys, notes and files."""

import copy
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from sandbox.testing import Answer, Sandbox
from tests.integration.sandbox_client import Client
from tests.integration.test_sandbox_openapi import KNOWN_LIVE, SPEC, _without_enums

KEYS = {
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


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=3, seed=11) as sandbox:
        sandbox.limits(minute=100_000, day=100_000)
        yield sandbox


class Writer(Client):
    """Somebody who writes."""

    @cached_property
    def active(self) -> dict[str, Any]:
        """A contact that is not archived."""
        return next(each for each in self.dump("xero.contacts") if each["ContactStatus"] == "ACTIVE")

    def made(self, path: str, status: str, **fields: Any) -> str:
        """A new document of an active contact in this status; returns its id."""
        contact = {"ContactID": self.active["ContactID"], "Name": self.active["Name"]}
        unpaid = {
            "Invoices": {"Payments": [], "CreditNotes": [], "AmountPaid": 0},
            "CreditNotes": {"Payments": [], "Allocations": []},
        }
        wished = {"Status": status, "Contact": contact, **unpaid.get(path, {}), **fields}
        return self.sandbox.edit(self.tenant, RESOURCES[path], "add", fields=wished)[0]

    def post(self, path: str, body: object, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        return self.sandbox.post(self.tenant, path, self.token, body, headers, **more)

    def status(self, path: str, one: str, status: str, **headers: str) -> Answer:
        body = {KEYS[path]: one, "Status": status}
        return self.post(f"{path}/{one}", body, {"Idempotency-Key": headers["key"]} if headers else None)

    def now(self, path: str, one: str) -> dict[str, Any]:
        return dict(self.get(f"{path}/{one}").json()[path][0])

    def applied(self, one: str) -> dict[str, int]:
        return dict(self.sandbox.writes(self.tenant)["applied"].get(one, {}))


@pytest.fixture(scope="module")
def own(running: Sandbox) -> Writer:
    return Writer(running, 0)


@pytest.fixture
def writer(running: Sandbox, own: Writer) -> Writer:
    running.calm()
    running.limits(minute=100_000, day=100_000)
    return own


def words(answer: Answer) -> list[str]:
    told = answer.json()
    assert (answer.status, told["ErrorNumber"], told["Type"]) == (400, 10, "ValidationException")
    return [each["Message"] for element in told["Elements"] for each in element["ValidationErrors"]]


INVOICE, ORDER, QUOTE = (
    "Invoice not of valid status for modification",
    "PurchaseOrder status change is invalid",
    "Quote status change is invalid",
)
NOTE = "Credit note not of valid status for modification"
DEAD = "Deleted PurchaseOrders cannot be updated"
# Each status, the statuses that it may be brought to, and the words for all others.
MACHINES = {
    "Invoices": (
        INVOICE,
        {
            "DRAFT": "SUBMITTED AUTHORISED DELETED",
            "SUBMITTED": "DRAFT AUTHORISED DELETED",
            "AUTHORISED": "VOIDED",
            "PAID": "",
            "VOIDED": "",
            "DELETED": "",
        },
    ),
    "CreditNotes": (
        NOTE,
        {"DRAFT": "SUBMITTED AUTHORISED DELETED", "SUBMITTED": "DRAFT AUTHORISED DELETED", "PAID": ""},
    ),
    "PurchaseOrders": (
        ORDER,
        {"SUBMITTED": "AUTHORISED DELETED", "AUTHORISED": "BILLED DELETED", "BILLED": "DELETED"},
    ),
    "Quotes": (QUOTE, {"DRAFT": "SENT DELETED", "SENT": "DRAFT ACCEPTED DECLINED DELETED", "INVOICED": ""}),
}


@pytest.mark.parametrize("path", MACHINES)
def test_a_status_leads_where_the_machine_says_and_nowhere_else(writer: Writer, path: str) -> None:
    refused, machine = MACHINES[path]
    every = {status for moves in machine.values() for status in moves.split()} | machine.keys()
    for status, moves in machine.items():
        for wanted in sorted(every - {status}):
            one = writer.made(path, status)
            before = writer.now(path, one)
            answer = writer.status(path, one, wanted)
            if wanted in moves.split():
                assert answer.json()[path][0]["Status"] == wanted
                assert answer.json()[path][0]["StatusAttributeString"] == "OK"
                after = writer.now(path, one)
                assert (after["Status"], writer.applied(one)) == (wanted, {wanted: 1})
                assert after["UpdatedDateUTC"] != before["UpdatedDateUTC"]
            else:
                assert words(answer) == [refused], (status, wanted)
                assert (writer.now(path, one), writer.applied(one)) == (before, {})


def test_a_deleted_order_refuses_everything_in_its_own_words(writer: Writer) -> None:
    one = writer.made("PurchaseOrders", "DELETED")

    assert words(writer.status("PurchaseOrders", one, "AUTHORISED")) == [DEAD]


def test_a_refusal_echoes_what_was_asked_and_not_what_is(writer: Writer) -> None:
    approved, draft = writer.made("Invoices", "AUTHORISED"), writer.made("Invoices", "DRAFT")
    elements = [{"InvoiceID": approved, "Status": "DELETED"}, {"InvoiceID": draft, "Status": "DELETED"}]

    told = writer.post("Invoices?summarizeErrors=false", {"Invoices": elements})
    all_or_none = writer.post("Invoices", {"Invoices": [*elements, {"InvoiceID": "unknown"}]})

    flawed, done = told.json()["Invoices"]
    assert told.status == 200
    assert (flawed["Status"], flawed["HasErrors"], flawed["StatusAttributeString"]) == (
        "DELETED",
        True,
        "ERROR",
    )
    assert flawed["ValidationErrors"] == [{"Message": INVOICE}]
    assert (done["Status"], writer.now("Invoices", draft)["Status"]) == ("DELETED", "DELETED")
    assert writer.now("Invoices", approved)["Status"] == "AUTHORISED"
    assert words(all_or_none) == [INVOICE]


def test_what_is_paid_locked_archived_or_beyond_the_plan_is_refused(writer: Writer) -> None:
    paid = writer.made("Invoices", "AUTHORISED", Payments=[{"PaymentID": "one", "Amount": 5}])
    locked = writer.made("Invoices", "SUBMITTED", Date="/Date(1000000000000+0000)/")
    gone = next(each for each in writer.dump("xero.contacts") if each["ContactStatus"] == "ARCHIVED")
    archived = writer.made("Invoices", "SUBMITTED", Contact={"ContactID": gone["ContactID"], "Name": "x"})
    account = next(each for each in writer.dump("xero.accounts") if each["Status"] == "ARCHIVED")
    coded = writer.made("Invoices", "SUBMITTED", LineItems=[{"AccountCode": account["Code"]}])
    plain, other = writer.made("Invoices", "SUBMITTED"), writer.made("Invoices", "SUBMITTED")
    chosen = writer.made("Invoices", "SUBMITTED")
    writer.sandbox.approvals_left(writer.tenant, 1)
    writer.sandbox.refuse(writer.tenant, chosen, "Unknown tracking details")

    [allocated] = words(writer.status("Invoices", paid, "VOIDED"))
    [lock] = words(writer.status("Invoices", locked, "AUTHORISED"))
    [contact] = words(writer.status("Invoices", archived, "AUTHORISED"))
    [code] = words(writer.status("Invoices", coded, "AUTHORISED"))
    assert writer.status("Invoices", plain, "AUTHORISED").status == 200
    [limit] = words(writer.status("Invoices", other, "AUTHORISED"))

    assert allocated.endswith("because it has payments or credit notes allocated to it.")
    assert lock.startswith("The document date cannot be before the period lock date, currently set at ")
    assert contact == "The contact has been archived"
    assert code == f"Account code '{account['Code']}' has been archived, or deleted"
    assert limit == "You have reached the limit of invoices you can approve"
    assert words(writer.status("Invoices", chosen, "DELETED")) == ["Unknown tracking details"]


def test_a_key_is_remembered_for_six_minutes_with_whatever_was_answered(writer: Writer) -> None:
    one, other = writer.made("Invoices", "SUBMITTED"), writer.made("Invoices", "SUBMITTED")

    first = writer.status("Invoices", one, "AUTHORISED", key="k1")
    again = writer.status("Invoices", one, "AUTHORISED", key="k1")
    different = writer.status("Invoices", one, "VOIDED", key="k1")
    writer.sandbox.faults("status", status=500, endpoint="Invoices", method="POST")
    failed = [writer.status("Invoices", other, "AUTHORISED", key="k2").status for _ in range(2)]
    unchanged = writer.now("Invoices", other)["Status"]
    writer.sandbox.advance(361)
    writer.token = writer.sandbox.access_token(writer.tenant)
    late = writer.status("Invoices", other, "AUTHORISED", key="k2")
    new = writer.status("Invoices", one, "AUTHORISED", key="k1")
    too_long = writer.status("Invoices", one, "AUTHORISED", key="k" * 129)

    assert (first.body, first.status) == (again.body, 200)
    assert different.status == 400
    assert different.json()["Message"] == "Idempotency Key: k1 is used with a different request."
    assert (failed, unchanged) == ([500, 500], "SUBMITTED")
    assert (late.status, writer.applied(other)) == (200, {"AUTHORISED": 1})
    assert (new.status, writer.applied(one)) == (200, {"AUTHORISED": 2})
    assert too_long.status == 400


def test_an_answer_lost_after_the_work_leaves_it_done_and_the_key_answers_again(writer: Writer) -> None:
    one = writer.made("Invoices", "SUBMITTED")
    writer.sandbox.faults("lost_answer", endpoint="Invoices", method="POST", every=2, count=1)

    assert writer.status("Invoices", one, "DRAFT").status == 200
    with pytest.raises(OSError):  # noqa: PT011 - urllib has several names for it
        writer.status("Invoices", one, "AUTHORISED", key="lost")
    again = writer.status("Invoices", one, "AUTHORISED", key="lost")

    assert (again.status, again.json()["Invoices"][0]["Status"]) == (200, "AUTHORISED")
    assert writer.applied(one) == {"DRAFT": 1, "AUTHORISED": 1}


@pytest.mark.parametrize("path", KEYS)
def test_notes_are_only_ever_added(writer: Writer, path: str) -> None:
    one = writer.made(path, "DRAFT")
    before = writer.now(path, one)
    note = {"HistoryRecords": [{"Details": "Approved by A. Smith"}]}

    added = [writer.post(f"{path}/{one}/History", note, method="PUT") for _ in range(2)]
    too_long = {"HistoryRecords": [{"Details": "x" * 2501}]}
    refused = writer.post(f"{path}/{one}/History", too_long, method="PUT")

    assert [each.json()["HistoryRecords"][0]["Details"] for each in added] == ["Approved by A. Smith"] * 2
    assert added[0].json()["HistoryRecords"][0]["ValidationErrors"] == []
    told = writer.get(f"{path}/{one}/History").json()["HistoryRecords"]
    assert [each["Details"] for each in told if each["Changes"] == "Note"] == ["Approved by A. Smith"] * 2
    assert refused.status == 400
    assert writer.now(path, one) == before


def test_a_document_has_at_most_ten_files_of_ten_megabytes(writer: Writer) -> None:
    one = writer.made("Invoices", "DRAFT", HasAttachments=False)
    before, body = writer.now("Invoices", one), b"%PDF-1.7 a report"
    place = f"Invoices/{one}/Attachments"

    [told] = writer.post(
        f"{place}/a%20report.pdf", body, {"Content-Type": "application/pdf"}, method="PUT"
    ).json()["Attachments"]
    for number in range(9):
        assert writer.post(f"{place}/{number}.txt", b"x", method="PUT").status == 200
    eleventh = writer.post(f"{place}/11.txt", b"x", method="PUT")
    replaced = writer.post(f"{place}/3.txt", b"another")
    too_large = writer.post(f"{place}/3.txt", bytes(10 * 2**20 + 1))

    assert (told["FileName"], told["MimeType"]) == ("a report.pdf", "application/pdf")
    assert told["ContentLength"] == len(body)
    assert writer.get(f"{place}/a%20report.pdf").body == body
    assert writer.get(f"{place}/{told['AttachmentID']}").body == body
    assert (eleventh.status, replaced.status, too_large.status) == (400, 200, 400)
    assert len(writer.get(place).json()["Attachments"]) == 10
    after = writer.now("Invoices", one)
    assert (after["HasAttachments"], before["HasAttachments"]) == (True, False)
    assert after["UpdatedDateUTC"] != before["UpdatedDateUTC"]


def test_reading_rights_do_not_write_and_nobody_reaches_anothers_documents(writer: Writer) -> None:
    one = writer.made("Invoices", "DRAFT")
    other = Writer(writer.sandbox, 1)

    assert other.status("Invoices", one, "SUBMITTED").status == 404
    assert other.get(f"Invoices/{one}/History").status == 404
    assert writer.post("Contacts", {"Contacts": []}).status == 401
    writer.sandbox.faults("scope", endpoint="Invoices", method="POST")
    refused = writer.status("Invoices", one, "SUBMITTED")
    assert refused.status == 401
    assert "insufficient_scope" in refused.headers["WWW-Authenticate"]
    assert writer.post(f"Invoices/{one}", b"{", {"Content-Type": "application/json"}).status == 401


def test_each_write_stands_in_the_log_with_what_was_sent(writer: Writer) -> None:
    one = writer.made("Invoices", "DRAFT")
    after = writer.sandbox.last_call()

    writer.status("Invoices", one, "SUBMITTED", key="logged")
    writer.post(f"Invoices/{one}/Attachments/a.pdf", b"12345", {"Content-Type": "application/pdf"})

    status, file = writer.sandbox.calls(after)
    assert (status["method"], status["key"]) == ("POST", "logged")
    assert json.loads(status["body"]) == {"InvoiceID": one, "Status": "SUBMITTED"}
    assert file["path"] == f"/api.xro/2.0/Invoices/{one}/Attachments/a.pdf"
    assert file["body"] == "5 bytes of application/pdf"


def test_a_restarted_sandbox_remembers_what_was_written(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with Sandbox.start(organisations=1, state=state) as sandbox:
        writer = Writer(sandbox, 0)
        one = writer.made("Invoices", "DRAFT")
        writer.status("Invoices", one, "SUBMITTED", key="before")
        writer.post(f"Invoices/{one}/History", {"HistoryRecords": [{"Details": "kept"}]}, method="PUT")
    with Sandbox.start(organisations=1, state=state) as sandbox:
        writer = Writer(sandbox, 0)
        assert writer.status("Invoices", one, "SUBMITTED", key="before").status == 200
        assert writer.applied(one) == {"SUBMITTED": 1}
        assert sandbox.writes(writer.tenant)["notes"] == {one: ["kept"]}


@pytest.mark.skipif(not SPEC.exists(), reason=f"no OpenAPI file at {SPEC}")
def test_what_writes_answer_is_of_the_files_shape(writer: Writer) -> None:
    schemas = copy.deepcopy(yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader)["components"]["schemas"])
    for name, schema in schemas.items():
        _without_enums(schema)
        if "properties" in schema:
            more = KNOWN_LIVE.get(name, set()) | {"HistoryRecord": {"DateUTCString", "ValidationErrors"}}.get(
                name, set()
            )
            schema["properties"] = {**schema["properties"], **{field: {} for field in more}}
            schema["additionalProperties"] = False
    note = {"HistoryRecords": [{"Details": "a note"}]}
    for path in KEYS:
        one = writer.made(path, "DRAFT")
        target = "SENT" if path == "Quotes" else "SUBMITTED"
        told = {
            path: writer.status(path, one, target),
            "HistoryRecords": writer.post(f"{path}/{one}/History", note, method="PUT"),
            "Attachments": writer.post(f"{path}/{one}/Attachments/a.pdf", b"12345", method="PUT"),
        }
        for key, answer in told.items():
            schema = {"$ref": f"#/components/schemas/{key}", "components": {"schemas": schemas}}
            flaws = list(Draft4Validator(schema).iter_errors({key: answer.json()[key]}))
            assert flaws == [], (path, key)
