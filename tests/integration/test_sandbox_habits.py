"""Lists of the sandbox have habits of their own: what they hide, how they count, what they leave untold."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from sandbox.endpoints import BY_RESOURCE, ENDPOINTS, Endpoint, Paging
from sandbox.testing import Sandbox, SandboxError
from tests.integration.sandbox_client import Client, widest

BUSY, BIG, MANY = 0, 2, 4
CHANGES = [each for each in ENDPOINTS if each.paging is Paging.WHOLE and each.since]
HIDING = [each for each in ENDPOINTS if each.hidden is not None and each.inside is None]
# The one line of an overpayment is its amount, in cents anyway.
PRICED = [each for each in ENDPOINTS if each.unit_amounts and each.path != "Overpayments"]
TOLD_ALONE = [BY_RESOURCE["xero.contact_groups"], BY_RESOURCE["xero.budgets"]]


def _path(endpoint: Endpoint) -> str:
    return endpoint.path


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=5) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.calm()
    return running


def _header(date: str) -> str:
    milliseconds = int(re.findall(r"-?\d+", date)[0])
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _now(sandbox: Sandbox) -> str:
    return _header(f"/Date({int(sandbox.control('GET', 'clock')['now'] * 1000)})/")


@pytest.mark.parametrize("endpoint", CHANGES, ids=_path)
def test_a_whole_list_tells_what_changed_since_a_time_and_knows_no_pages(sandbox, endpoint):
    client = Client(sandbox, MANY)
    since = _now(sandbox)
    changed = sandbox.edit(client.tenant, endpoint.resource, "edit" if endpoint.restamped else "add")

    everything = client.rows(endpoint.path, **widest(endpoint))
    told = client.rows(endpoint.path, since, **widest(endpoint) | {"page": 2, "pageSize": 1})

    assert 0 < len(told) < len(everything)
    assert told == everything[-len(told) :]
    assert changed[0] in [row[endpoint.id] for row in told]
    assert "pagination" not in client.get(endpoint.path, page=1).json()


@pytest.mark.parametrize("action", ["edit", "void"])
def test_a_bank_transfers_stamp_tells_when_it_was_made_and_nothing_later(sandbox, action):
    client = Client(sandbox, BIG)
    before = {row["BankTransferID"]: row for row in client.dump("xero.bank_transfers")}
    since = _now(sandbox)

    (changed,) = sandbox.edit(client.tenant, "xero.bank_transfers", action)
    (added,) = sandbox.edit(client.tenant, "xero.bank_transfers", "add")

    after = {row["BankTransferID"]: row for row in client.dump("xero.bank_transfers")}
    told = client.rows("BankTransfers", since, includeDeleted="true")
    assert after[changed] != before[changed]
    assert after[changed]["CreatedDateUTC"] == before[changed]["CreatedDateUTC"]
    assert added in [row["BankTransferID"] for row in told]
    assert changed not in [row["BankTransferID"] for row in told]


@pytest.mark.parametrize("endpoint", HIDING, ids=_path)
def test_hidden_records_are_left_out_until_their_own_parameter_asks_for_them(sandbox, endpoint):
    client = Client(sandbox, MANY)
    other = "includeDeleted" if endpoint.hidden.unless == "includeArchived" else "includeArchived"
    asked = {"page": 1, "pageSize": 1000}
    action = "void" if endpoint.hidden.value == "DELETED" else "archive"
    (hidden,) = sandbox.edit(client.tenant, endpoint.resource, action, which="first")

    shown = client.rows(endpoint.path, **asked)
    every = client.rows(endpoint.path, **asked | {endpoint.hidden.unless: "true"})

    assert hidden in [row[endpoint.id] for row in every]
    assert endpoint.hidden.value not in {row[endpoint.hidden.name] for row in shown}
    assert client.rows(endpoint.path, **asked | {other: "true"}) == shown
    assert client.rows(endpoint.path, **asked | {endpoint.hidden.unless: "false"}) == shown
    assert client.get(f"{endpoint.path}/{hidden}").json()[endpoint.key][0][endpoint.id] == hidden


def test_archived_options_are_hidden_inside_their_categories(sandbox):
    client = Client(sandbox, BIG)

    shown = _options(client.rows("TrackingCategories"))
    every = _options(client.rows("TrackingCategories", includeArchived="true"))

    assert "ARCHIVED" not in {option["Status"] for option in shown}
    assert "ARCHIVED" in {option["Status"] for option in every}
    assert _in_order(every) == _in_order(client.dump("xero.tracking_options"))


def test_an_option_changes_inside_its_category_and_in_its_own_dump(sandbox):
    client = Client(sandbox, BIG)
    option, category = "xero.tracking_options", "xero.tracking_categories"

    (added,) = sandbox.edit(client.tenant, option, "add", fields={"Name": "Added"})
    (edited,) = sandbox.edit(client.tenant, option, ids=[added])
    (archived,) = sandbox.edit(client.tenant, option, "archive", which="first")
    (removed,) = sandbox.edit(client.tenant, option, "remove", which="first", count=1)
    (silent,) = sandbox.edit(client.tenant, option, "silent", fields={"Name": "Silently"})

    told = {each["TrackingOptionID"]: each for each in _options(client.dump(category))}
    assert edited == added
    assert silent == added or told[added]["Name"] == "Added · rev 1"
    assert archived == removed or told[archived]["Status"] == "ARCHIVED"
    assert removed not in told
    assert told[silent]["Name"] == "Silently"
    assert _in_order(told.values()) == _in_order(client.dump(option))


def test_what_stood_inside_a_removed_category_is_gone_with_it(sandbox):
    client = Client(sandbox, MANY)
    (removed,) = sandbox.edit(client.tenant, "xero.tracking_categories", "remove", which="first")

    left = client.dump("xero.tracking_categories")

    assert removed not in [row["TrackingCategoryID"] for row in left]
    assert _in_order(_options(left)) == _in_order(client.dump("xero.tracking_options"))
    assert client.get(f"TrackingCategories/{removed}").status == 404


def test_an_option_needs_a_category_to_stand_in(sandbox):
    nearly_empty = sandbox.tenants()[3]["tenant_id"]

    with pytest.raises(SandboxError, match="has no record of xero"):
        sandbox.edit(nearly_empty, "xero.tracking_options", "add")


def _options(categories: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [option for category in categories for option in category["Options"]]


def _in_order(options: Any) -> list[dict[str, Any]]:
    return sorted(options, key=lambda option: str(option["TrackingOptionID"]))


@pytest.mark.parametrize("endpoint", TOLD_ALONE, ids=_path)
def test_some_lists_tell_less_than_each_record_by_itself(sandbox, endpoint):
    client = Client(sandbox, BIG)

    listed = client.rows(endpoint.path)
    alone = [client.get(f"{endpoint.path}/{row[endpoint.id]}").json()[endpoint.key][0] for row in listed]

    assert alone == client.dump(endpoint.resource)
    for name in endpoint.emptied:
        assert all(row[name] == [] for row in listed)
        assert any(row[name] for row in alone)


def test_a_group_and_its_contacts_name_each_other(sandbox):
    client = Client(sandbox, BIG)
    contacts = client.dump("xero.contacts")

    for group in client.dump("xero.contact_groups"):
        mine = {
            contact["ContactID"]
            for contact in contacts
            for each in contact["ContactGroups"]
            if each["ContactGroupID"] == group["ContactGroupID"]
        }
        assert {member["ContactID"] for member in group["Contacts"]} == mine


@pytest.mark.parametrize("endpoint", PRICED, ids=_path)
def test_unit_amounts_are_rounded_to_cents_unless_four_decimals_are_asked_for(sandbox, endpoint):
    client = Client(sandbox, BIG)
    asked = widest(endpoint)

    exact = client.rows(endpoint.path, **asked)
    cents = client.rows(endpoint.path, **asked | {"unitdp": 2})

    exact_prices, rounded_prices = _prices(exact, endpoint), _prices(cents, endpoint)
    finer = [price for price in exact_prices if price != price.quantize(Decimal("0.01"))]
    assert finer
    assert {price.as_tuple().exponent for price in rounded_prices} == {-2}
    assert max(abs(a - b) for a, b in zip(exact_prices, rounded_prices, strict=True)) <= Decimal("0.005")
    assert (
        client.rows(endpoint.path, **{name: value for name, value in asked.items() if name != "unitdp"})
        == cents
    )


def _prices(rows: list[dict[str, Any]], endpoint: Endpoint) -> list[Decimal]:
    found: list[Decimal] = []
    for path in endpoint.unit_amounts:
        outer, _, name = path.partition(".")
        for row in rows:
            inner = row[outer] if isinstance(row[outer], list) else [row[outer]]
            found.extend(each[name] for each in inner if name in each)
    return found


def test_journals_come_by_the_hundred_after_a_number_that_only_grows(sandbox):
    client = Client(sandbox, MANY)

    pages, last = [], 0
    while rows := client.rows("Journals", offset=last, page=9, pageSize=1000):
        pages.append(rows)
        last = rows[-1]["JournalNumber"]

    numbers = [row["JournalNumber"] for page in pages for row in page]
    assert [len(page) for page in pages] == [100, 100, 100, 100, 100, 4]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < numbers[-1] - numbers[0] + 1
    assert client.rows("Journals") == pages[0]
    assert client.rows("Journals", offset=numbers[41])[0]["JournalNumber"] == numbers[42]


def test_an_offset_between_two_journals_begins_at_the_next(sandbox):
    client = Client(sandbox, MANY)
    numbers = [row["JournalNumber"] for row in client.rows("Journals")]
    before = next(one for one, two in pairwise(numbers) if two > one + 1)

    rows = client.rows("Journals", offset=before + 1)

    assert rows[0]["JournalNumber"] > before + 1


@pytest.mark.parametrize("offset", ["-1", "many", "1.5"])
def test_an_offset_that_is_no_number_is_a_bad_request(sandbox, offset):
    answer = Client(sandbox, BUSY).get("Journals", offset=offset)

    assert (answer.status, answer.json()["Type"]) == (400, "ValidationException")


def test_journals_know_a_since_besides_their_offset(sandbox):
    client = Client(sandbox, MANY)
    rows = client.rows("Journals", offset=0)
    since = _header(rows[60]["CreatedDateUTC"])

    told = client.rows("Journals", since, offset=0)
    further = client.rows("Journals", since, offset=told[-1]["JournalNumber"])

    assert told[0] in rows[55:61]
    assert further[0]["JournalNumber"] > told[-1]["JournalNumber"]


def test_a_new_journal_has_the_highest_number_and_can_be_read_by_it(sandbox):
    client = Client(sandbox, BUSY)
    highest = client.dump("xero.journals")[-1]["JournalNumber"]

    (added,) = sandbox.edit(client.tenant, "xero.journals", "add")

    (row,) = client.rows("Journals", offset=highest)
    assert row["JournalID"] == added
    assert client.get(f"Journals/{row['JournalNumber']}").json()["Journals"] == [row]


def test_a_list_may_have_a_slash_in_its_name(sandbox):
    client = Client(sandbox, BUSY)
    after = sandbox.last_call()

    actions = client.get("Organisation/Actions").json()["Actions"]

    assert {action["Status"] for action in actions} <= {"ALLOWED", "NOT-ALLOWED"}
    assert "CreateApprovedBill" in {action["Name"] for action in actions}
    assert sandbox.calls(after)[0]["endpoint"] == "Organisation/Actions"
    assert client.get("Organisation/Reactions").status == 404


def test_a_fault_can_be_armed_for_a_list_with_a_slash_alone(sandbox):
    client = Client(sandbox, BUSY)
    sandbox.faults("status", endpoint="Organisation/Actions")

    assert client.get("Organisation").status == 200
    assert client.get("Organisation/Actions").status == 503


def test_documents_name_accounts_themes_tax_types_and_options_that_are_there(sandbox):
    for place in (BUSY, 1, BIG):
        client = Client(sandbox, place)
        codes = {row.get("Code") for row in client.dump("xero.accounts")}
        taxes = {row["TaxType"] for row in client.dump("xero.tax_rates")}
        themes = {row["BrandingThemeID"] for row in client.dump("xero.branding_themes")}
        invoices = client.dump("xero.invoices")[:80]
        lines = [line for row in invoices for line in row["LineItems"]]

        assert {line["AccountCode"] for line in lines} <= codes
        assert {line["TaxType"] for line in lines} <= taxes
        assert {row["BrandingThemeID"] for row in invoices if "BrandingThemeID" in row} <= themes


def test_every_scope_that_a_list_needs_was_granted(sandbox):
    client = Client(sandbox, BUSY)
    sandbox.limits(client.tenant, minute=1000)

    refused = [each.path for each in ENDPOINTS if client.get(each.path).status != 200]

    assert refused == []


def test_a_big_organisation_fills_pages_of_1000_of_payments_and_bank_transactions(sandbox):
    client = Client(sandbox, BIG)

    for path in ("Payments", "BankTransactions"):
        assert len(client.rows(path, page=1, pageSize=1000)) == 1000
        assert client.rows(path, page=2, pageSize=1000)
