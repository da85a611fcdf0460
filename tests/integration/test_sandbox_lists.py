"""The sandbox's lists have the habits of Xero's, one by one."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from sandbox.endpoints import ENDPOINTS
from sandbox.testing import Sandbox
from tests.integration.sandbox_client import Client

BUSY, SMALL, BIG, NEARLY_EMPTY, QUOTING = range(5)
PAGED = ("Contacts", "Invoices", "ManualJournals")
STAMPED = (*PAGED, "Quotes", "LinkedTransactions")
# Lists whose answers hold every byte there is: some tell the rest of a record by itself only, and
# options stand inside their categories.
WHOLE_TOLD = [
    endpoint
    for endpoint in ENDPOINTS
    if endpoint.inside is None and endpoint.resource not in {"xero.contact_groups", "xero.budgets"}
]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=5) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.calm()
    return running


def _milliseconds(date: str) -> int:
    found = re.fullmatch(r"/Date\((-?\d+)([+-]\d{4})?\)/", date)
    assert found is not None
    return int(found[1])


def _stamp(row: dict[str, Any]) -> int:
    return _milliseconds(row["UpdatedDateUTC"])


def _header(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize("path", PAGED)
def test_a_list_without_a_page_is_whole_but_only_summaries(sandbox, path):
    client = Client(sandbox, BUSY)
    lines = {"Contacts": "ContactPersons", "Invoices": "LineItems", "ManualJournals": "JournalLines"}[path]

    brief = client.get(path).json()
    wide = client.get(path, page=1, pageSize=1000).json()

    assert "pagination" not in brief
    assert len(brief[path]) == len(wide[path]) == wide["pagination"]["itemCount"]
    assert all(row[lines] == [] for row in brief[path])
    assert any(row[lines] for row in wide[path])


def test_a_contacts_summary_lacks_what_only_pages_tell(sandbox):
    client = Client(sandbox, BUSY)

    brief, wide = client.rows("Contacts"), client.rows("Contacts", page=1, pageSize=1000)
    lightened = client.rows("Contacts", page=1, pageSize=1000, summaryOnly="true")

    told = {name for row in wide for name in row} - {name for row in brief for name in row}
    assert {"SalesDefaultLineAmountType", "PurchasesDefaultLineAmountType", "PaymentTerms"} <= told
    assert lightened == brief


@pytest.mark.parametrize("path", PAGED)
def test_pages_are_100_long_unless_asked_otherwise_and_announce_the_whole(sandbox, path):
    client = Client(sandbox, BIG)

    default = client.get(path, page=1).json()
    longest = client.get(path, page=1, pageSize=1000).json()

    size = len(sandbox.dump(client.tenant, f"xero.{'manual_journals' if path[0] == 'M' else path.lower()}"))
    hidden = 0 if path != "Contacts" else size - longest["pagination"]["itemCount"]
    assert default["pagination"] == {
        "page": 1,
        "pageSize": 100,
        "pageCount": -(-(size - hidden) // 100),
        "itemCount": size - hidden,
    }
    assert len(default[path]) == 100
    assert len(longest[path]) == min(1000, size - hidden)


def test_a_big_organisation_has_pages_of_1000_that_hold_every_row_once(sandbox):
    client = Client(sandbox, BIG)

    pages = [client.rows("Invoices", page=number, pageSize=1000) for number in (1, 2, 3, 4)]

    assert [len(page) for page in pages] == [1000, 1000, 600, 0]
    assert len({row["InvoiceID"] for page in pages for row in page}) == 2600


@pytest.mark.parametrize("size", ["0", "1001", "-5", "many"])
def test_a_page_size_out_of_range_is_a_bad_request(sandbox, size):
    client = Client(sandbox, BUSY)

    answer = client.get("Contacts", page=1, pageSize=size)

    assert (answer.status, answer.json()["Type"]) == (400, "ValidationException")


def test_quotes_come_by_the_hundred_without_announcing_anything(sandbox):
    client = Client(sandbox, QUOTING)

    pages = [client.get("Quotes", page=number, pageSize=1000).json() for number in (1, 2, 3, 4, 5)]

    assert [len(page["Quotes"]) for page in pages] == [100, 100, 100, 40, 0]
    assert all("pagination" not in page for page in pages)
    assert all("SummarizeErrors" in page for page in pages)
    assert len({quote["QuoteID"] for page in pages for quote in page["Quotes"]}) == 340


def test_linked_transactions_come_by_the_hundred_and_know_no_since(sandbox):
    client = Client(sandbox, QUOTING)

    pages = [
        client.rows("LinkedTransactions", "2026-11-01T00:00:00", page=number) for number in (1, 2, 3, 4, 5)
    ]

    assert [len(page) for page in pages] == [100, 100, 100, 60, 0]


def test_manual_journals_hold_everything_on_every_page_when_order_is_sent(sandbox):
    client = Client(sandbox, BIG)

    trapped = [
        client.rows("ManualJournals", page=number, order="UpdatedDateUTC ASC") for number in (1, 2, 99)
    ]

    assert [len(page) for page in trapped] == [220, 220, 220]
    assert len(client.rows("ManualJournals", page=1)) == 100


@pytest.mark.parametrize("path", STAMPED)
def test_the_oldest_change_comes_first(sandbox, path):
    client = Client(sandbox, BUSY)

    stamps = [_stamp(row) for row in client.rows(path, page=1)]

    assert stamps == sorted(stamps)
    assert len(stamps) >= 30


def test_a_list_can_be_put_in_another_order(sandbox):
    client = Client(sandbox, BUSY)

    newest_first = [_stamp(row) for row in client.rows("Invoices", page=1, order="UpdatedDateUTC DESC")]
    by_total = [row["Total"] for row in client.rows("Invoices", page=1, order="Total")]

    assert newest_first == sorted(newest_first, reverse=True)
    assert by_total == sorted(by_total)


@pytest.mark.parametrize("path", [*PAGED, "Quotes"])
def test_if_modified_since_tells_the_named_second_or_leaves_it_out_as_switched(sandbox, path):
    client = Client(sandbox, BUSY)
    rows = client.rows(path, page=1)
    second = _stamp(rows[20]) // 1000

    told = {}
    for reading in ("inclusive", "exclusive"):
        sandbox.since(reading)
        told[reading] = [_stamp(row) // 1000 for row in client.rows(path, _header(second * 1000), page=1)]

    assert min(told["inclusive"]) == second
    assert min(told["exclusive"]) > second


@pytest.mark.parametrize("zone", ["", "Z", "+00:00", ".999"])
def test_if_modified_since_is_read_in_utc_and_to_the_second(sandbox, zone):
    client = Client(sandbox, BUSY)
    second = _stamp(client.rows("Contacts", page=1)[20]) // 1000

    rows = client.rows("Contacts", _header(second * 1000) + zone, page=1)

    assert _stamp(rows[0]) // 1000 == second


def test_if_modified_since_may_name_another_zone_or_be_an_http_date(sandbox):
    client = Client(sandbox, BUSY)

    here = client.rows("Contacts", "2025-12-31T23:00:00", page=1)
    there = client.rows("Contacts", "2026-01-01T12:00:00+13:00", page=1)
    dated = client.rows("Contacts", "Wed, 31 Dec 2025 23:00:00 GMT", page=1)

    assert 0 < len(here) < 166
    assert here == there == dated


def test_an_unreadable_if_modified_since_is_as_good_as_none(sandbox):
    client = Client(sandbox, BUSY)

    assert client.rows("Contacts", "31/12/2025", page=1) == client.rows("Contacts", page=1)


@pytest.mark.parametrize("path", ["Organisation", "TaxRates"])
def test_reference_lists_are_whole_whatever_is_asked(sandbox, path):
    client = Client(sandbox, BUSY)

    answer = client.get(path, "2026-11-01T00:00:00", page=7, pageSize=1).json()

    assert "pagination" not in answer
    assert len(answer["Organisations" if path == "Organisation" else path]) == (1 if path[0] == "O" else 5)


def test_archived_contacts_are_hidden_until_asked_for(sandbox):
    client = Client(sandbox, BUSY)

    shown = client.rows("Contacts", page=1, pageSize=1000)
    every = client.rows("Contacts", page=1, pageSize=1000, includeArchived="true")

    archived = [row for row in every if row["ContactStatus"] == "ARCHIVED"]
    assert archived
    assert len(every) == len(shown) + len(archived) == len(sandbox.dump(client.tenant, "xero.contacts"))
    assert "ARCHIVED" not in {row["ContactStatus"] for row in shown}


@pytest.mark.parametrize("endpoint", WHOLE_TOLD, ids=lambda endpoint: endpoint.path)
def test_a_dump_has_each_record_in_the_very_bytes_of_its_list(sandbox, endpoint):
    client = Client(sandbox, QUOTING)

    dump = sandbox.dump_bytes(client.tenant, endpoint.resource)

    records = _split(dump)
    pages = client.whole(endpoint)
    assert sum(len(page.json()[endpoint.key]) for page in pages) == len(records)
    assert json.loads(dump)["count"] == len(records) > 0
    bodies = b"".join(page.body for page in pages)
    assert all(record in bodies for record in records)


def _split(dump: bytes) -> list[bytes]:
    """The records of a dump, each in its own bytes."""
    decoder, text = json.JSONDecoder(), dump.decode()
    at = text.index("[") + 1
    records = []
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        records.append(text[at:end].encode())
        at = end + 1 if text[end] == "," else end
    return records


def test_the_older_lists_escape_their_slashes_and_indent_and_quotes_do_neither(sandbox):
    client = Client(sandbox, BUSY)

    invoices, quotes = client.get("Invoices", page=1).body, client.get("Quotes", page=1).body

    assert invoices.startswith(b'{\r\n  "Id": "')
    assert b'"UpdatedDateUTC": "\\/Date(' in invoices
    assert re.search(rb"[^\\]/", invoices) is None
    assert b'"UpdatedDateUTC":"/Date(' in quotes
    assert b"\n" not in quotes


def test_money_keeps_its_zeros(sandbox):
    body = Client(sandbox, BUSY).get("Invoices", page=1).body

    assert re.search(rb'"UnitAmount": \d+\.\d\d,', body)
    assert re.search(rb'"CurrencyRate": 1\.000000,', body)
    assert re.search(rb'"Quantity": \d+\.\d000,', body)
    assert not re.search(rb'"(?:UnitAmount|Total|AmountDue)": \d+(?:\.\d|\.\d{3,})?,', body)


def test_dates_come_in_every_spelling_of_the_real_service(sandbox):
    client = Client(sandbox, BIG)

    invoices = b"".join(client.get("Invoices", page=n, pageSize=1000).body for n in (1, 2, 3))
    quotes = client.get("Quotes", page=1).body
    journals = client.get("ManualJournals", page=1, pageSize=1000).body

    assert re.search(rb'"Date": "\\/Date\(\d{13}\+0000\)\\/"', invoices)
    assert re.search(rb'"DueDate": "\\/Date\(-\d+\+0000\)\\/"', invoices)
    assert re.search(rb'"DueDate": "\\/Date\(0\+0000\)\\/"', invoices)
    assert re.search(rb'"DateString": "\d{4}-\d\d-\d\dT00:00:00"', invoices)
    assert re.search(rb'"UpdatedDateUTCString": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', invoices)
    assert re.search(rb'"Date":"/Date\(\d{13}\)/"', quotes)
    assert re.search(rb'"Date": "\\/Date\(\d{13}\+1300\)\\/"', journals)


def test_a_date_and_its_text_say_the_same_day(sandbox):
    for row in Client(sandbox, BIG).rows("Invoices", page=1, pageSize=1000):
        for name in ("Date", "DueDate"):
            day = datetime.fromisoformat(row[f"{name}String"] + "+00:00")
            assert _milliseconds(row[name]) == day.timestamp() * 1000


def test_values_that_no_list_knows_occur(sandbox):
    client = Client(sandbox, BIG)

    kinds = {row.get("TaxNumberType") for row in client.rows("Contacts", page=1, pageSize=1000)}
    statuses = {row["Status"] for page in (1, 2) for row in client.rows("Quotes", page=page)}
    sources = {row["SourceTransactionTypeCode"] for row in client.rows("LinkedTransactions", page=1)}

    assert "TAXNUMBERTYPE/SSN" in kinds
    assert "UNDERREVIEW" in statuses
    assert "RECEIPT" in sources


def test_some_bills_total_differs_from_their_lines_by_three_hundredths(sandbox):
    rows = Client(sandbox, BUSY).rows("Invoices", page=1, pageSize=1000)

    differing = [row for row in rows if row["Total"] - row["SubTotal"] - row["TotalTax"] == Decimal("0.03")]

    assert {row["Type"] for row in differing} == {"ACCPAY"}
    others = [row for row in rows if row not in differing]
    assert all(row["Total"] == row["SubTotal"] + row["TotalTax"] for row in others)


def test_optional_fields_are_missing_from_some_records(sandbox):
    client = Client(sandbox, BUSY)
    invoices = client.rows("Invoices", page=1, pageSize=1000)
    contacts = client.rows("Contacts", page=1, pageSize=1000)

    for rows, name in (
        *(
            (invoices, name)
            for name in ("CurrencyRate", "FullyPaidOnDate", "BrandingThemeID", "SentToContact")
        ),
        *((contacts, name) for name in ("ContactNumber", "FirstName", "Balances", "TaxNumber")),
    ):
        assert 0 < sum(name in row for row in rows) < len(rows), name


def test_some_rows_share_a_second_with_others(sandbox):
    rows = Client(sandbox, BIG).rows("Invoices", page=1, pageSize=1000)
    seconds = [_stamp(row) // 1000 for row in rows]

    assert max(seconds.count(second) for second in set(seconds)) >= 5


def test_an_organisation_may_have_almost_nothing(sandbox):
    client = Client(sandbox, NEARLY_EMPTY)

    answer = client.get("Quotes", page=1)
    journals = client.get("ManualJournals", page=1).json()

    assert answer.json()["Quotes"] == []
    assert (journals["ManualJournals"], journals["pagination"]["itemCount"]) == ([], 0)


@pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if each.alone], ids=lambda endpoint: endpoint.path
)
def test_one_record_can_be_read_by_its_id_with_all_there_is_to_it(sandbox, endpoint):
    client = Client(sandbox, BUSY)
    wanted = client.dump(endpoint.resource)[-1]

    answer = client.get(f"{endpoint.path}/{wanted[endpoint.id]}", unitdp=4).json()

    assert answer[endpoint.key] == [wanted]
    assert "pagination" not in answer


@pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if not each.alone], ids=lambda endpoint: endpoint.resource
)
def test_some_records_can_not_be_read_by_themselves(sandbox, endpoint):
    client = Client(sandbox, BUSY)
    wanted = client.dump(endpoint.resource)[-1]

    assert client.get(f"{endpoint.path}/{wanted[endpoint.id]}").status == 404


def test_one_invoice_can_be_read_by_its_number(sandbox):
    client = Client(sandbox, BUSY)
    sale = next(row for row in client.rows("Invoices", page=1) if row["Type"] == "ACCREC")

    answer = client.get(f"Invoices/{sale['InvoiceNumber']}")

    assert answer.json()["Invoices"] == [sale]


@pytest.mark.parametrize("path", ["Contacts/8d3e6bd1-0000-4000-a000-000000000000", "Contakts", "Reports"])
def test_what_is_not_there_is_an_empty_404_that_is_no_json(sandbox, path):
    answer = Client(sandbox, BUSY).get(path)

    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_another_organisations_record_is_not_there(sandbox):
    theirs = sandbox.dump(Client(sandbox, SMALL).tenant, "xero.contacts")[0]["ContactID"]

    assert Client(sandbox, BUSY).get(f"Contacts/{theirs}").status == 404


def test_records_can_be_asked_for_by_their_ids(sandbox):
    client = Client(sandbox, BUSY)
    rows = client.rows("Invoices", page=1)
    wanted = [rows[3], rows[50]]

    told = client.rows("Invoices", page=1, IDs=",".join(row["InvoiceID"] for row in wanted))

    assert told == wanted


def test_naming_statuses_forces_paging(sandbox):
    client = Client(sandbox, BIG)

    answer = client.get("Invoices", Statuses="PAID,VOIDED").json()

    assert {row["Status"] for row in answer["Invoices"]} == {"PAID", "VOIDED"}
    assert len(answer["Invoices"]) == answer["pagination"]["pageSize"] == 100
    assert answer["pagination"]["itemCount"] > 1000


def test_where_narrows_a_list_and_what_it_cannot_read_is_refused(sandbox):
    client = Client(sandbox, BUSY)
    contact = client.rows("Invoices", page=1)[0]["Contact"]["ContactID"]

    bills = client.rows("Invoices", where='Type=="ACCPAY" AND Status=="AUTHORISED"')
    of_contact = client.rows("Invoices", where=f'Contact.ContactID==guid("{contact}")')
    recent = client.rows("Invoices", where="Date>=DateTime(2026,01,01) && Total>100")
    refused = client.get("Invoices", where="Status like PAID")

    assert {(row["Type"], row["Status"]) for row in bills} == {("ACCPAY", "AUTHORISED")}
    assert {row["Contact"]["ContactID"] for row in of_contact} == {contact}
    assert all(row["DateString"] >= "2026" and row["Total"] > 100 for row in recent)
    assert recent
    assert (refused.status, refused.json()["Type"]) == (400, "QueryParseException")


def test_every_answer_carries_its_headers(sandbox):
    client = Client(sandbox, BUSY)
    sandbox.faults("status", endpoint="Quotes")

    for answer in (client.get("Contacts", page=1), client.get("Contacts/x"), client.get("Quotes")):
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["Xero-Correlation-Id"])
        assert answer.headers["Date"].endswith(" GMT")
        for name in ("X-DayLimit-Remaining", "X-MinLimit-Remaining", "X-AppMinLimit-Remaining"):
            assert answer.headers[name].isdecimal()
    listed = client.get("Contacts", page=1)
    assert listed.json()["Id"] == listed.headers["Xero-Correlation-Id"]


def test_who_does_not_ask_for_json_gets_xml(sandbox):
    client = Client(sandbox, BUSY)
    headers = {"Authorization": f"Bearer {client.token}", "xero-tenant-id": client.tenant, "Accept": "*/*"}

    answer = sandbox.call("GET", "/api.xro/2.0/Contacts?page=1", headers)

    assert answer.headers["Content-Type"].startswith("text/xml")
    contacts = ET.fromstring(answer.body).findall("Contacts/Contact")  # noqa: S314 - our own sandbox's
    assert [contact.findtext("Name") for contact in contacts] == [
        row["Name"] for row in client.rows("Contacts", page=1)
    ]


def test_new_documents_are_not_played_and_lists_without_decisions_take_no_writes(sandbox):
    client = Client(sandbox, BUSY)
    headers = {"Authorization": f"Bearer {client.token}", "xero-tenant-id": client.tenant}

    assert sandbox.call("PUT", "/api.xro/2.0/Invoices", headers, b"{}").status == 501
    assert sandbox.call("POST", "/api.xro/2.0/Contacts", headers, b"{}").status == 401


def test_every_call_stands_in_the_log(sandbox):
    client = Client(sandbox, BUSY)
    after = sandbox.last_call()

    sandbox.limits(style="rolling")  # a fixed minute may begin anew between the two calls
    client.get("Contacts", "2026-01-01T00:00:00", page=1, pageSize=7)
    sandbox.limits(client.tenant, minute=1)
    client.get("Quotes", page=1)

    listed, refused = sandbox.calls(after)
    assert {name: listed[name] for name in ("n", "endpoint", "method", "status", "rows", "problem")} == {
        "n": after + 1,
        "endpoint": "Contacts",
        "method": "GET",
        "status": 200,
        "rows": 7,
        "problem": None,
    }
    assert (listed["path"], listed["query"]) == ("/api.xro/2.0/Contacts", "page=1&pageSize=7")
    assert (listed["tenant"], listed["if_modified_since"]) == (client.tenant, "2026-01-01T00:00:00")
    assert (listed["in_flight"], 0 < listed["seconds"] < 60) == (1, True)
    assert (refused["status"], refused["problem"], refused["endpoint"]) == (429, "minute", "Quotes")
    assert sandbox.calls(after + 1) == [refused]
