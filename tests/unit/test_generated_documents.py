"""What the sandbox makes of documents is the same for a seed, adds up, and refers to what is there."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from sandbox.dataset import Dataset
from sandbox.endpoints import BY_RESOURCE
from sandbox.rendering import render

DOCUMENTS = (
    "credit_notes", "purchase_orders", "bank_transactions", "bank_transfers", "payments", "batch_payments",
    "overpayments", "prepayments", "repeating_invoices", "receipts", "expense_claims", "journals",
)  # fmt: skip
WITH_LINES = tuple(
    name
    for name in DOCUMENTS
    if name not in {"bank_transfers", "payments", "batch_payments", "expense_claims", "journals"}
)
CREDITS = ("credit_notes", "overpayments", "prepayments")

# Where the values of a field stand as ids; what a payment calls an invoice may be a credit note.
HOMES = {
    "ContactID": ("contacts",),
    "InvoiceID": ("invoices", "credit_notes"),
    "AccountID": ("accounts",),
    "BrandingThemeID": ("branding_themes",),
    "UserID": ("users",),
    "TaxType": ("tax_rates",),
    "TrackingCategoryID": ("tracking_categories",),
    "TrackingOptionID": ("tracking_options",),
    "BatchPaymentID": ("batch_payments",),
    "PaymentID": ("payments",),
    "OverpaymentID": ("overpayments",),
    "PrepaymentID": ("prepayments",),
    "ReceiptID": ("receipts",),
}


class Books:
    """The lists of one organisation."""

    def __init__(self, dataset: Dataset, place: int) -> None:
        self.dataset = dataset
        self.organisation = list(dataset.organisations.values())[place]

    def __getitem__(self, name: str) -> list[dict[str, Any]]:
        endpoint = BY_RESOURCE[f"xero.{name}"]
        return [dict(row.fields) for row in self.dataset.list_of(self.organisation.tenant_id, endpoint).rows]

    def ids(self, name: str) -> list[str]:
        return [row[BY_RESOURCE[f"xero.{name}"].id] for row in self[name]]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset(seed=1, organisations=18)


@pytest.fixture(scope="module", params=[0, 1, 2, 4])
def books(dataset: Dataset, request: pytest.FixtureRequest) -> Books:
    return Books(dataset, request.param)


@pytest.fixture(scope="module")
def large(dataset: Dataset) -> Books:
    return Books(dataset, 2)


def _named(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every field with its value, however deep."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _named(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each, name)
    else:
        yield name, value


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_same_seed_makes_the_same_bytes_and_another_one_others(name):
    def bytes_of(seed: int) -> list[bytes]:
        return [render(row, compact=False) for row in Books(Dataset(seed, 1), 0)[name]]

    assert bytes_of(1) == bytes_of(1) != bytes_of(2)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_record_of_a_list_has_an_id_of_its_own(books, name):
    assert max(Counter(books.ids(name)).values()) == 1


@pytest.mark.parametrize("name", WITH_LINES)
def test_lines_add_up_to_the_total(books, name):
    for row in books[name]:
        lines = sum((line["LineAmount"] for line in row["LineItems"]), Decimal(0))
        tax = sum((line["TaxAmount"] for line in row["LineItems"]), Decimal(0))
        assert row["TotalTax"] == tax
        assert row["SubTotal"] == (lines - tax if row["LineAmountTypes"] == "Inclusive" else lines)
        assert row["Total"] == row["SubTotal"] + row["TotalTax"]


@pytest.mark.parametrize("name", CREDITS)
def test_what_is_left_of_a_credit_is_what_was_not_allocated_or_paid_back(books, name):
    for row in books[name]:
        used = sum((each["Amount"] for each in (*row["Allocations"], *row["Payments"])), Decimal(0))
        assert row["RemainingCredit"] == (0 if row["Status"] == "VOIDED" else row["Total"] - used)
        assert (row["Status"] == "PAID") == (used == row["Total"])


def test_a_batch_and_a_claim_come_to_the_sum_of_what_is_in_them(books):
    for batch in books["batch_payments"]:
        assert batch["TotalAmount"] == sum(each["Amount"] for each in batch["Payments"])
    for claim in books["expense_claims"]:
        assert claim["Total"] == sum(receipt["Total"] for receipt in claim["Receipts"])
        assert claim["Total"] == claim["AmountDue"] + claim["AmountPaid"]


def test_the_lines_of_a_journal_sum_to_nothing(books):
    for journal in books["journals"]:
        assert sum(line["NetAmount"] for line in journal["JournalLines"]) == 0
        assert all(
            line["GrossAmount"] == line["NetAmount"] + line["TaxAmount"] for line in journal["JournalLines"]
        )


def test_journals_are_numbered_upwards_in_order_of_time_and_some_numbers_are_missing(large):
    journals = sorted(large["journals"], key=lambda journal: journal["JournalNumber"])
    numbers = [journal["JournalNumber"] for journal in journals]
    made = [journal["CreatedDateUTC"] for journal in journals]

    assert made == sorted(made)
    assert {after - before for before, after in pairwise(numbers)} > {1, 3}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_record_refers_to_is_there(books, name):
    homes = {field: {each for home in lists for each in books.ids(home)} for field, lists in HOMES.items()}
    codes = {account.get("Code") for account in books["accounts"]}
    for row in books[name]:
        for field, value in _named(row):
            assert field not in homes or value in homes[field], (field, value)
            assert field != "AccountCode" or value in codes


@pytest.mark.parametrize("name", ["invoices", *CREDITS])
def test_each_payment_that_a_document_tells_of_is_in_the_list_of_payments(books, name):
    payments = {payment["PaymentID"]: payment for payment in books["payments"]}
    for document in books[name]:
        for told in document["Payments"]:
            payment = payments[told["PaymentID"]]
            assert (payment["Amount"], payment["Date"]) == (told["Amount"], told["Date"])


def test_each_credit_note_that_an_invoice_names_is_in_their_list(books):
    notes = {note["CreditNoteID"]: note for note in books["credit_notes"]}
    for invoice in books["invoices"]:
        for named in invoice["CreditNotes"]:
            note = notes[named["CreditNoteID"]]
            assert (note["CreditNoteNumber"], note["Total"]) == (named["CreditNoteNumber"], named["Total"])
            assert note["Type"] == f"{invoice['Type']}CREDIT"


def test_both_sides_of_each_transfer_are_bank_transactions_of_two_accounts(books):
    transactions = {each["BankTransactionID"]: each for each in books["bank_transactions"]}
    for transfer in books["bank_transfers"]:
        assert transfer["FromBankAccount"] != transfer["ToBankAccount"]
        for side, kind in (("From", "SPEND-TRANSFER"), ("To", "RECEIVE-TRANSFER")):
            transaction = transactions[transfer[f"{side}BankTransactionID"]]
            assert (transaction["Type"], transaction["Total"]) == (kind, transfer["Amount"])
            assert transaction["BankAccount"] == transfer[f"{side}BankAccount"]


def test_a_payment_names_the_batch_that_names_it(books):
    batches = {batch["BatchPaymentID"]: batch for batch in books["batch_payments"]}
    told = {(each["PaymentID"], name) for name, batch in batches.items() for each in batch["Payments"]}

    assert {
        (payment["PaymentID"], payment["BatchPaymentID"])
        for payment in books["payments"]
        if "BatchPaymentID" in payment
    } == told


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_added_later_is_new_and_believable(name):
    dataset = Dataset(seed=1, organisations=1)
    books = Books(dataset, 0)
    endpoint, known = BY_RESOURCE[f"xero.{name}"], set(books.ids(name))
    tenant = books.organisation.tenant_id

    added = [dataset.make(tenant, endpoint, 1_790_000_000_000) for _ in range(20)]

    assert len({record.id for record in added} - known) == 20
    if name == "payments":
        assert {record.fields["Status"] for record in added} == {"AUTHORISED"}
    if name == "journals":
        assert min(record.fields["JournalNumber"] for record in added) > max(
            row["JournalNumber"] for row in books[name]
        )


def test_every_kind_and_state_occurs_in_a_long_list(large):
    kinds = {
        "credit_notes": {"ACCPAYCREDIT", "ACCRECCREDIT"},
        "bank_transactions": {
            *("SPEND", "SPEND-TRANSFER", "SPEND-OVERPAYMENT", "SPEND-PREPAYMENT"),
            *("RECEIVE", "RECEIVE-TRANSFER", "RECEIVE-OVERPAYMENT", "RECEIVE-PREPAYMENT"),
        },
        "overpayments": {"SPEND-OVERPAYMENT", "RECEIVE-OVERPAYMENT"},
        "prepayments": {"SPEND-PREPAYMENT", "RECEIVE-PREPAYMENT"},
        "repeating_invoices": {"ACCPAY", "ACCREC"},
        "batch_payments": {"PAYBATCH", "RECBATCH"},
    }
    states = {
        "credit_notes": {"DRAFT", "SUBMITTED", "AUTHORISED", "PAID", "VOIDED"},
        "purchase_orders": {"DRAFT", "SUBMITTED", "AUTHORISED", "BILLED", "DELETED"},
        "bank_transactions": {"AUTHORISED", "DELETED", "VOIDED"},
        "bank_transfers": {"AUTHORISED", "DELETED"},
        "payments": {"AUTHORISED", "DELETED"},
        "batch_payments": {"AUTHORISED", "DELETED"},
        "overpayments": {"AUTHORISED", "PAID", "VOIDED"},
        "prepayments": {"AUTHORISED", "PAID", "VOIDED"},
        "repeating_invoices": {"DRAFT", "AUTHORISED", "DELETED"},
        "receipts": {"DRAFT", "SUBMITTED", "AUTHORISED", "DECLINED", "VOIDED"},
        "expense_claims": {"SUBMITTED", "AUTHORISED", "PAID", "VOIDED", "DELETED"},
    }
    assert {name: {row["Type"] for row in large[name]} for name in kinds} == kinds
    assert {name: {row["Status"] for row in large[name]} for name in states} == states


@pytest.mark.parametrize("name", ["invoices", "credit_notes", "prepayments", "bank_transactions", "receipts"])
def test_some_unit_amounts_are_finer_than_a_cent(large, name):
    amounts = [line["UnitAmount"] for row in large[name] for line in row["LineItems"]]

    fine = [amount for amount in amounts if amount != round(amount, 2)]
    assert 0 < len(fine) < len(amounts) / 5


def test_a_purchase_order_has_four_decimals_and_its_contacts_time_is_the_organisations_own(dataset):
    books = Books(dataset, 0)  # of New Zealand
    contacts = {contact["ContactID"]: contact for contact in books["contacts"]}

    for order in books["purchase_orders"]:
        assert {line["UnitAmount"].as_tuple().exponent for line in order["LineItems"]} == {-4}
        told, true = (
            each["UpdatedDateUTC"] for each in (order["Contact"], contacts[order["Contact"]["ContactID"]])
        )
        assert told.endswith("+0000)/")
        assert int(told[6:19]) - int(true[6:19]) == 12 * 3_600_000


def test_both_spellings_of_the_modified_time_stand_where_xero_has_both(large):
    both = {name for name in DOCUMENTS if "UpdatedDateUTCString" in large[name][0]}

    assert both == {"credit_notes", "payments", "overpayments", "prepayments"}


def test_big_organisations_have_much_and_empty_ones_nothing(dataset):
    assert all(len(Books(dataset, 2)[name]) > 1000 for name in ("payments", "bank_transactions"))
    assert [name for name in DOCUMENTS if Books(dataset, 17)[name]] == []
    assert all(len(Books(dataset, 3)[name]) <= 3 for name in DOCUMENTS)
