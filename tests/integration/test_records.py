"""What is stored of a record: its JSON digit for digit, its typed columns, and what cannot be stored."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Numeric, inspect, select

from config.shapes import Column, Shape
from connectors.pages import Record
from store import records, rejects
from store.database import Database, UtcDateTime
from store.models import feeds as feed_rows
from store.tables import create_tables, table_of
from sync.services import SHAPES
from tests.integration.engine import Engine
from tests.integration.worlds import connect_organisation

CONTACTS, INVOICES, JOURNALS = "xero.contacts", "xero.invoices", "xero.manual_journals"
QUOTED = 'O\'Brien "& Söhne" 株式会社 🧾 \\n \\u0041 \\\\u0000 </b> {} %s :name \u2028 e\u0301'


# --- what cannot be stored ----------------------------------------------------------------------------


@pytest.mark.parametrize("poison", ["nul", "surrogate"])
def test_a_poisoned_record_is_set_aside_its_page_goes_on_and_a_good_version_clears_it(
    whole_engine: Engine, poison: str
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    whole_engine.settle()
    tenant = whole_engine.tenants[one]
    poisoned = whole_engine.sandbox.edit(tenant, CONTACTS, "edit", count=2, poison=poison)
    edited = whole_engine.sandbox.edit(tenant, CONTACTS, "edit", count=20)
    before = whole_engine.parsed(one, CONTACTS)

    (outcome,) = whole_engine.sync(one, CONTACTS)

    assert outcome.state == "done"
    line = whole_engine.line(one, CONTACTS)
    assert (line.state, line.reason, line.set_aside) == ("up to date with warnings", None, 2)
    kept = set_aside(whole_engine, one)
    assert kept.keys() == set(poisoned) - set(edited)
    assert all("cannot be kept" in sentence for sentence in kept.values())
    stored, there = whole_engine.parsed(one, CONTACTS), whole_engine.at_provider(one, CONTACTS)
    assert [key for key in there if key not in kept and stored[key] != there[key]] == []
    assert [key for key in kept if stored[key] != before[key]] == []  # the last good version stays
    assert whole_engine.runs(one, CONTACTS)[-1].rejected == 2
    assert whole_engine.line(other, CONTACTS).state == "up to date"

    whole_engine.sandbox.edit(tenant, CONTACTS, "edit", ids=poisoned, fields={"Name": "mended"})
    whole_engine.sync(one, CONTACTS)

    assert whole_engine.line(one, CONTACTS).state == "up to date"
    assert set_aside(whole_engine, one) == {}
    assert whole_engine.parsed(one, CONTACTS) == whole_engine.at_provider(one, CONTACTS)


def test_a_poisoned_record_that_was_never_stored_is_not_taken_for_vanished(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=[CONTACTS])
    (poisoned,) = whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "edit", poison="nul")

    whole_engine.settle()

    # The import is complete and proven all the same: what is set aside was met.
    assert whole_engine.feed(one, CONTACTS).last_full_read_at
    assert len(whole_engine.stored(one, CONTACTS)) == 179
    assert set_aside(whole_engine, one).keys() == {poisoned}


def test_a_warning_ends_when_a_full_read_meets_the_poisoned_record_no_more(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=[CONTACTS])
    (poisoned,) = whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "edit", poison="nul")
    whole_engine.settle()
    assert whole_engine.line(one, CONTACTS).state == "up to date with warnings"
    whole_engine.sync(one, CONTACTS, full=True)
    assert whole_engine.line(one, CONTACTS).state == "up to date with warnings"

    whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "remove", ids=[poisoned])
    whole_engine.sync(one, CONTACTS, full=True)

    assert whole_engine.line(one, CONTACTS).state == "up to date"


# --- what is stored -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digits",
    [
        "0.10",
        "100.00",
        "1.000000",
        "-0.00",
        "12345678901234567890.123456789",
        "1E+2",
        "5e-7",
        "0",
        "9007199254740993",
    ],
)
def test_numbers_come_out_digit_for_digit(database_url: str, digits: str) -> None:
    database, feed_id, other = small_world(database_url, INVOICES)
    raw = f'{{"InvoiceID": "1", "Total": {digits}, "Deep": [{{"Rate":{digits}}}]}}'
    put(database, feed_id, INVOICES, [record("1", raw)])

    assert stored(database, feed_id, INVOICES) == {"1": raw}
    assert stored(database, other, INVOICES) == {}
    database.close()


def test_text_comes_out_as_it_was_whatever_it_holds(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    tenant = whole_engine.tenants[one]
    edited = whole_engine.sandbox.edit(tenant, CONTACTS, "edit", count=5, fields={"Name": QUOTED})

    whole_engine.settle()

    assert {whole_engine.parsed(one, CONTACTS)[key]["Name"] for key in edited} == {QUOTED}
    assert {row(whole_engine.services.database, CONTACTS, key).name for key in edited} == {QUOTED}
    for slug in (one, other):
        assert whole_engine.parsed(slug, CONTACTS) == whole_engine.at_provider(slug, CONTACTS)


def test_typed_columns_are_filled_with_values_of_their_type(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=[INVOICES, CONTACTS, "xero.organisations", "xero.tax_rates"])
    whole_engine.settle()
    database = whole_engine.services.database

    for key, invoice in list(whole_engine.at_provider(one, INVOICES).items())[:50]:
        kept = row(database, INVOICES, key)
        assert (kept.type, kept.status) == (invoice["Type"], invoice["Status"])
        assert kept.contact_id == invoice["Contact"]["ContactID"]
        assert isinstance(kept.total, Decimal)
        assert (kept.total, kept.amount_due) == (invoice["Total"], invoice["AmountDue"])
        assert kept.currency_rate == invoice.get("CurrencyRate")
        assert kept.date == date.fromisoformat(invoice["DateString"][:10])
        assert kept.has_attachments is invoice["HasAttachments"]
        assert kept.modified_at == moment(invoice["UpdatedDateUTC"])
        assert kept.archived is (invoice["Status"] in ("VOIDED", "DELETED"))
    for key, contact in whole_engine.at_provider(one, CONTACTS).items():
        kept = row(database, CONTACTS, key)
        assert (kept.name, kept.is_supplier) == (contact["Name"], contact["IsSupplier"])
        assert kept.archived is (contact["ContactStatus"] in ("ARCHIVED", "GDPRREQUEST"))
    for key, business in whole_engine.at_provider(one, "xero.organisations").items():
        kept = row(database, "xero.organisations", key)
        assert kept.financial_year_end_day == business["FinancialYearEndDay"]
        assert kept.created_at == moment(business["CreatedDateUTC"])
        assert kept.modified_at is None
    for key, rate in whole_engine.at_provider(one, "xero.tax_rates").items():
        with database.reading() as tx:
            table = table_of(SHAPES["xero.tax_rates"])
            assert (
                rate["EffectiveRate"]
                in tx.execute(select(table.c.effective_rate).where(table.c.id == key)).scalars().all()
            )


def test_money_columns_compare_as_numbers_not_as_text(database_url: str) -> None:
    database, feed_id, _ = small_world(database_url, INVOICES)
    totals = ["9.99", "10.00", "100.50", "-3.00", None]
    put(
        database,
        feed_id,
        INVOICES,
        [
            record(str(number), f'{{"Total": {total or "null"}}}', total=total)
            for number, total in enumerate(totals)
        ],
    )

    table = table_of(SHAPES[INVOICES])
    with database.reading() as tx:
        large = (
            tx.execute(select(table.c.id).where(table.c.total >= 10).order_by(table.c.total)).scalars().all()
        )

    assert large == ["1", "2"]
    database.close()


def test_archived_and_restored_records_are_told_as_such(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    whole_engine.settle()
    tenant = whole_engine.tenants[one]
    away = whole_engine.sandbox.edit(tenant, CONTACTS, "archive", count=3)

    whole_engine.sync(one, CONTACTS)
    whole_engine.sandbox.edit(tenant, CONTACTS, "restore", ids=away[:1])
    whole_engine.sync(one, CONTACTS)

    run, last = whole_engine.runs(one, CONTACTS)[-2:]
    assert (run.archived, run.restored, last.archived, last.restored) == (3, 0, 0, 1)
    assert [row(whole_engine.services.database, CONTACTS, key).archived for key in away] == [
        False,
        True,
        True,
    ]
    assert whole_engine.parsed(one, CONTACTS) == whole_engine.at_provider(one, CONTACTS)
    assert len(whole_engine.runs(other, CONTACTS)) == 1


# --- a column that is asked for later -----------------------------------------------------------------


def test_a_column_added_to_a_shape_is_added_to_the_table_and_refilled(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=[JOURNALS, CONTACTS])
    whole_engine.settle()
    database = whole_engine.services.database
    shape = SHAPES[JOURNALS]
    with database.transaction() as tx:  # as a database from before the column existed
        tx.connection.exec_driver_sql(f'ALTER TABLE "{shape.table}" DROP COLUMN line_amount_types')
    contacts_due = whole_engine.feed(one, CONTACTS).full_due_at

    with database.transaction() as tx:
        made = create_tables(tx, SHAPES.values())

    assert made == [f"{shape.table}.line_amount_types"]
    assert whole_engine.feed(one, CONTACTS).full_due_at == contacts_due
    whole_engine.settle()
    for slug in (one, other):
        for key, journal in whole_engine.at_provider(slug, JOURNALS).items():
            assert row(database, JOURNALS, key).line_amount_types == journal["LineAmountTypes"]
    with database.transaction() as tx:
        assert create_tables(tx, SHAPES.values()) == []


def test_a_column_added_while_a_full_read_is_half_way_is_filled_in_both_halves(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=[CONTACTS])
    whole_engine.settle()
    whole_engine.pages_of(CONTACTS, 60)
    whole_engine.sandbox.faults("status", status=500, tenant=whole_engine.tenants[one], count=3, skip=2)
    whole_engine.sync(one, CONTACTS, full=True)
    assert whole_engine.feed(one, CONTACTS).full_cursor
    database = whole_engine.services.database
    with database.transaction() as tx:
        tx.connection.exec_driver_sql('ALTER TABLE "xero_contacts" DROP COLUMN is_customer')

    with database.transaction() as tx:
        create_tables(tx, SHAPES.values())
    whole_engine.pass_time(timedelta(minutes=1))
    whole_engine.settle()

    for key, contact in whole_engine.at_provider(one, CONTACTS).items():
        assert row(database, CONTACTS, key).is_customer is contact["IsCustomer"]


def test_a_new_table_has_the_type_of_each_column(empty_database_url: str) -> None:
    shape = Shape(
        "xero.things",
        "xero_things",
        tuple(
            Column(f"a_{kind}", kind)  # type: ignore[arg-type]
            for kind in ("text", "integer", "numeric", "boolean", "timestamp", "date")
        ),
        timed=True,
        whole=False,
        reference=False,
    )
    database = Database(empty_database_url)

    with database.transaction() as tx:
        assert create_tables(tx, [shape]) == ["xero_things"]
        found = {
            column["name"]: column["type"] for column in inspect(tx.connection).get_columns("xero_things")
        }

    assert isinstance(found["a_numeric"], Numeric)
    assert {name for name in found if name.startswith("a_")} == {
        f"a_{column.kind}" for column in shape.columns
    }
    assert isinstance(table_of(shape).c.a_timestamp.type, UtcDateTime)
    database.close()


# --- what the tests above say in their own words ------------------------------------------------------


def small_world(database_url: str, resource: str) -> tuple[Database, str, str]:
    database = Database(database_url)
    one, other = (
        connect_organisation(database, name, {resource: timedelta(hours=1)})[0] for name in ("acme", "globex")
    )
    return database, one, other


def record(key: str, raw: str, **columns: Any) -> Record:
    return Record(key, datetime(2026, 1, 1, tzinfo=UTC), False, raw, hash=digest(raw), columns=columns)


def digest(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()


def put(database: Database, feed_id: str, resource: str, page: list[Record]) -> None:
    with database.transaction() as tx:
        feed = tx.execute(select(feed_rows).where(feed_rows.c.id == feed_id)).one()
        records.upsert(
            tx,
            SHAPES[resource],
            page,
            organisation_id=feed.organisation_id,
            connection_id=feed.connection_id,
            fence=1,
        )


def stored(database: Database, feed_id: str, resource: str) -> dict[str, str]:
    with database.reading() as tx:
        feed = tx.execute(select(feed_rows).where(feed_rows.c.id == feed_id)).one()
        return dict(records.read(tx.scope(feed.organisation_id), SHAPES[resource]))


def row(database: Database, resource: str, key: str) -> Any:
    """A stored row with its typed columns."""
    table = table_of(SHAPES[resource])
    with database.reading() as tx:
        return tx.execute(select(table).where(table.c.id == key)).one()


def set_aside(made: Engine, slug: str) -> dict[str, str]:
    """What the contacts' feed has set aside: id → sentence."""
    feed = made.feed(slug, CONTACTS)
    with made.services.database.reading() as tx:
        return dict(rejects.of_feed(tx.scope(feed.organisation_id), feed.id))


def moment(written: str) -> datetime:
    milliseconds = int(written.removeprefix("/Date(").partition("+")[0].rstrip(")/"))
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
