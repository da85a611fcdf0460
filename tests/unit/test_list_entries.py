"""Xero's records become the entries that Dext's lists have to hold, and only what changed is sent."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.dext import ListEntry
from store.list_calls import ListCall
from sync.lists.copies import is_news
from sync.lists.mapping import SOURCES, codes_of, entries, read, written
from sync.lists.plan import batches

ACCOUNT = {
    "AccountID": "a1", "Code": "461", "Name": "Printing", "Type": "EXPENSE", "Class": "EXPENSE",
    "Status": "ACTIVE", "TaxType": "INPUT2",
}  # fmt: skip
BANK = {
    "AccountID": "b1", "Code": "090", "Name": "Cheque", "Type": "BANK", "Class": "ASSET", "Status": "ACTIVE",
    "CurrencyCode": "GBP", "BankAccountNumber": "20-55-12 1234-5678",
}  # fmt: skip
CONTACT = {
    "ContactID": "c1", "ContactNumber": "C7", "Name": "Northern Paper", "ContactStatus": "ACTIVE",
    "IsSupplier": True, "IsCustomer": False, "TaxNumber": "GB1", "DefaultCurrency": "GBP",
    "PurchasesDefaultAccountCode": "461", "AccountsPayableTaxType": "INPUT2",
}  # fmt: skip
RATE = {
    "TaxType": "INPUT2", "Name": "20% (VAT on Expenses)", "Status": "ACTIVE",
    "EffectiveRate": Decimal("20.0000"), "CanApplyToAssets": True, "CanApplyToExpenses": True,
    "CanApplyToRevenue": False,
}  # fmt: skip
REGION = {
    "TrackingCategoryID": "t1", "Name": "Region", "Status": "ACTIVE",
    "Options": [
        {"TrackingOptionID": "o1", "Name": "North", "Status": "ACTIVE"},
        {"TrackingOptionID": "o2", "Name": "South", "Status": "ARCHIVED"},
    ],
}  # fmt: skip


def made(kind: str, *records: dict[str, Any]) -> list[ListEntry]:
    source = next(source for source in SOURCES if source.kind == kind)
    return entries(source, records, codes_of([ACCOUNT, BANK]))


@pytest.mark.parametrize(
    ("kind", "record", "expected"),
    [
        ("categories", ACCOUNT, ListEntry("xero:account:a1", "Printing", "461", attributes={
            "type": "EXPENSE", "class": "EXPENSE", "default_tax": "xero:tax:INPUT2"})),
        ("bank_accounts", BANK, ListEntry("xero:account:b1", "Cheque", "090", attributes={
            "currency": "GBP", "last4": "5678"})),
        ("suppliers", CONTACT, ListEntry("xero:contact:c1", "Northern Paper", "C7", attributes={
            "is_supplier": True, "tax_number": "GB1", "default_category": "xero:account:a1",
            "default_tax": "xero:tax:INPUT2", "currency": "GBP"})),
        ("customers", CONTACT | {"IsCustomer": True}, ListEntry("xero:contact:c1", "Northern Paper", "C7")),
        ("tax_rates", RATE, ListEntry("xero:tax:INPUT2", "20% (VAT on Expenses)", "INPUT2", attributes={
            "rate": "20.0000", "applies_to": ["assets", "expenses"]})),
        ("tracking", REGION, ListEntry("xero:tracking:t1", "Region", attributes={"options": [
            {"external_id": "xero:option:o1", "name": "North", "active": True},
            {"external_id": "xero:option:o2", "name": "South", "active": False}]})),
    ],
)  # fmt: skip
def test_each_list_has_its_row_in_the_table(kind: str, record: dict[str, Any], expected: ListEntry) -> None:
    assert made(kind, record) == [expected]


@pytest.mark.parametrize(
    ("kind", "record", "change"),
    [
        ("categories", ACCOUNT, {"Status": "ARCHIVED"}),
        ("categories", BANK, {}),
        ("bank_accounts", ACCOUNT, {}),
        ("suppliers", CONTACT, {"IsSupplier": False}),
        ("suppliers", CONTACT, {"ContactStatus": "ARCHIVED"}),
        ("suppliers", CONTACT, {"ContactStatus": "GDPRREQUEST"}),
        ("customers", CONTACT, {}),
        ("tax_rates", RATE, {"Status": "DELETED"}),
        ("tracking", REGION, {"Status": "ARCHIVED"}),
    ],
)
def test_what_is_not_in_use_or_not_of_its_kind_is_no_entry(
    kind: str, record: dict[str, Any], change: dict[str, Any]
) -> None:
    assert made(kind, record | change) == []


def test_at_most_two_tracking_categories_are_sent() -> None:
    three = [REGION | {"TrackingCategoryID": name, "Name": name} for name in ("c", "a", "b")]

    assert [entry.name for entry in made("tracking", *three)] == ["a", "b"]


def test_a_rate_keeps_four_decimals_however_xero_writes_it() -> None:
    rates = [
        made("tax_rates", RATE | {"EffectiveRate": value})[0].attributes for value in (20, Decimal("2.5"))
    ]

    assert [each["rate"] for each in rates] == ["20.0000", "2.5000"]


def test_a_supplier_of_an_archived_default_account_has_none() -> None:
    (source,) = [source for source in SOURCES if source.kind == "suppliers"]
    codes = codes_of([ACCOUNT | {"Status": "ARCHIVED"}])

    assert entries(source, [CONTACT], codes)[0].attributes["default_category"] is None


# What is sent.

ENTRIES = [ListEntry(f"xero:tax:{number:03d}", f"Rate {number}") for number in range(3)]


def known(*taken: ListEntry) -> dict[str, ListEntry]:
    return {entry.external_id: read(written(entry)) for entry in taken}


def test_nothing_is_sent_when_dext_has_it_all() -> None:
    assert batches(ENTRIES, known(*ENTRIES), full=False) == ()


def test_only_what_is_new_changed_or_over_is_sent() -> None:
    first, second, third = ENTRIES
    old = ListEntry("xero:tax:OLD", "Old")

    (batch,) = batches([first, second, third], known(first, replace(second, name="Was"), old), full=False)

    assert batch.mode == "upsert"
    assert batch.entries == (second, third, replace(old, active=False))


def test_what_is_over_is_told_once_and_comes_back_when_it_is_used_again() -> None:
    over = replace(ENTRIES[0], active=False)

    assert batches([], known(over), full=False) == ()
    assert batches([ENTRIES[0]], known(over), full=False)[0].entries == (ENTRIES[0],)


def test_everything_goes_in_one_call_that_replaces_or_in_calls_of_500_with_what_is_over() -> None:
    many = [ListEntry(f"xero:contact:{number}", f"Name {number}") for number in range(1001)]
    old = ListEntry("xero:contact:old", "Old")

    (whole,) = batches(many[:500], known(*many[:500], old), full=True)
    parts = batches(many, known(*many, old), full=True)

    assert (whole.mode, len(whole.entries)) == ("replace", 500)
    assert [(part.mode, len(part.entries)) for part in parts] == [
        ("upsert", 500),
        ("upsert", 500),
        ("upsert", 2),
    ]
    assert parts[-1].entries[-1] == replace(old, active=False)


# What a call changes of what our copy says that Dext has.

NOW = datetime(2026, 11, 26, tzinfo=UTC)
OFF = replace(ENTRIES[2], active=False)


@pytest.mark.parametrize(
    ("mode", "sent", "copy", "news"),
    [
        ("replace", ENTRIES, ENTRIES, False),
        ("replace", ENTRIES[:2], [*ENTRIES[:2], OFF], False),
        ("replace", ENTRIES[:2], ENTRIES, True),
        ("upsert", ENTRIES[:2], ENTRIES, False),
        ("upsert", [OFF], ENTRIES, True),
        ("upsert", [replace(ENTRIES[0], name="Other")], ENTRIES, True),
        ("upsert", ENTRIES, [], True),
    ],
)
def test_a_list_is_read_again_only_when_a_call_changed_it(
    mode: str, sent: list[ListEntry], copy: list[ListEntry], news: bool
) -> None:
    call = ListCall("id", "tax_rates", mode, tuple(map(written, sent)), NOW, NOW, None)

    assert is_news(call, {entry.external_id: entry for entry in copy}) is news
