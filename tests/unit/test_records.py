"""What one element of a list becomes: a record, digit for digit, or a reject with a sentence."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.shapes import ID_LIMIT, TEXT_LIMIT
from connectors.dates import read_date, read_time, since_header
from connectors.endpoints import Endpoint, boolean, integer, numeric, statuses, text, timestamp
from connectors.endpoints import date as date_field
from connectors.exact import content_hash, read_object
from connectors.pages import Record, Reject
from connectors.records import newest_of_each, read_record
from connectors.xero import ENDPOINTS

BILLS = Endpoint(
    "xero.bills",
    about="bills",
    path="Bills",
    root="Bills",
    id="BillID",
    scope="accounting.invoices",
    paging="seek",
    statuses=statuses("Status", "PAID", "VOIDED", archived=("VOIDED",)),
    fields=(
        text("status", "Status"),
        text("contact_name", "Contact.Name"),
        numeric("total", "Total"),
        integer("lines", "Lines"),
        boolean("sent", "Sent"),
        date_field("due_date", "DueDate"),
        timestamp("paid_at", "PaidAt"),
    ),
)
TIME = "/Date(1289566516347+0000)/"


def read(raw: str, endpoint: Endpoint = BILLS) -> Record | Reject:
    _, elements = read_object(f'{{"Rows": [ {raw} ]}}', "Rows")
    assert elements is not None
    return read_record(endpoint, elements[0])


def record(**fields: object) -> Record:
    found = read(json.dumps({"BillID": "b1", "UpdatedDateUTC": TIME} | fields))
    assert isinstance(found, Record)
    return found


def rejected(raw: str) -> Reject:
    found = read(raw)
    assert isinstance(found, Reject)
    return found


def test_a_record_keeps_its_exact_text():
    big = "123456789012345678901234567890.120"
    times = '"UpdatedDateUTC": "\\/Date(0+0000)\\/"'
    raw = f'{{ "BillID":"b1",\n "Total": 100.10, "Big": {big},{times} }}'

    found = read(raw)

    assert isinstance(found, Record)
    assert found.raw == raw
    assert found.columns["total"] == "100.10"


@pytest.mark.parametrize(
    ("spelling", "moment"),
    [
        ("/Date(1289566516347+0000)/", datetime(2010, 11, 12, 12, 55, 16, 347000, tzinfo=UTC)),
        ("/Date(1289566516347+1300)/", datetime(2010, 11, 12, 12, 55, 16, 347000, tzinfo=UTC)),
        ("/Date(1789378205093)/", datetime(2026, 9, 14, 9, 30, 5, 93000, tzinfo=UTC)),
        ("/Date(-86400000+0000)/", datetime(1969, 12, 31, tzinfo=UTC)),
        ("/Date(0+0000)/", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2010-11-12T12:55:16Z", datetime(2010, 11, 12, 12, 55, 16, tzinfo=UTC)),
        ("2019-12-07T18:46:19.5165400", datetime(2019, 12, 7, 18, 46, 19, 516540, tzinfo=UTC)),
        ("2020-02-06T12:17:43.202-08:00", datetime(2020, 2, 6, 20, 17, 43, 202000, tzinfo=UTC)),
        ("2026-09-14T00:00:00", datetime(2026, 9, 14, tzinfo=UTC)),
        ("/Date(99999999999999999)/", None),
        ("/Date(-99999999999999999)/", None),
        ("/Date(x)/", None),
        ("12/11/2010", None),
        ("", None),
    ],
)
def test_times_are_read_in_every_spelling(spelling, moment):
    assert read_time(spelling) == moment


def test_a_document_date_is_the_calendar_date_at_midnight_utc():
    assert read_date("/Date(1553990400000+0000)/") == date(2019, 3, 31)
    assert read_date("2026-09-14T00:00:00") == date(2026, 9, 14)


def test_if_modified_since_is_written_without_zone_and_locale():
    assert since_header(datetime(2026, 3, 4, 5, 6, 7, 800000, tzinfo=UTC)) == "2026-03-04T05:06:07"


def test_the_version_never_comes_from_a_nested_object():
    found = record(Contact={"Name": "Ridgeway", "UpdatedDateUTC": "/Date(1999999999999+0000)/"})

    assert found.modified_at == datetime(2010, 11, 12, 12, 55, 16, 347000, tzinfo=UTC)
    assert found.columns["contact_name"] == "Ridgeway"


def test_an_odd_value_leaves_its_column_empty_and_an_unknown_word_is_kept():
    found = record(
        Status="A_WORD_NOBODY_KNOWS",
        Contact="no object",
        Total="12.50",
        Lines=1.5,
        Sent="yes",
        DueDate="tomorrow",
        PaidAt={},
    )

    assert found.columns == {
        "status": "A_WORD_NOBODY_KNOWS",
        "contact_name": None,
        "total": None,
        "lines": None,
        "sent": None,
        "due_date": None,
        "paid_at": None,
    }


def test_columns_hold_plain_json_values():
    found = record(
        Status="PAID", Contact={"Name": 7}, Total=12, Lines=3, Sent=True, DueDate=TIME, PaidAt=TIME
    )

    assert found.columns == {
        "status": "PAID",
        "contact_name": "7",
        "total": "12",
        "lines": 3,
        "sent": True,
        "due_date": "2010-11-12",
        "paid_at": "2010-11-12T12:55:16.347000+00:00",
    }


@pytest.mark.parametrize("number", ["1e5", "1" + "0" * 40, "0." + "0" * 50 + "1"])
def test_a_number_no_column_holds_is_kept_in_the_record_alone(number):
    found = read(f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Total": {number}}}')

    assert isinstance(found, Record)
    assert found.columns["total"] is None
    assert number in found.raw


def test_a_text_too_long_for_an_index_is_kept_in_the_record_alone():
    assert record(Status="x" * (TEXT_LIMIT + 1)).columns["status"] is None


def test_archived_is_what_the_endpoint_says():
    assert record(Status="VOIDED").archived
    assert not record(Status="PAID").archived


def test_the_hash_knows_content_from_spelling():
    plain = read(f'{{"BillID":"b1","UpdatedDateUTC":"{TIME}","Total":1.10,"Note":"a/b"}}')
    same = read(f'{{ "Note":"a\\/b", "Total":1.10,\t"UpdatedDateUTC":"{TIME}", "BillID":"\\u0062\\u0031"}}')
    digits = read(f'{{"BillID":"b1","UpdatedDateUTC":"{TIME}","Total":1.1,"Note":"a/b"}}')
    a_text = read(f'{{"BillID":"b1","UpdatedDateUTC":"{TIME}","Total":"1.10","Note":"a/b"}}')

    assert isinstance(plain, Record)
    assert isinstance(same, Record)
    assert isinstance(digits, Record)
    assert isinstance(a_text, Record)
    assert plain.hash == same.hash
    assert len({plain.hash, digits.hash, a_text.hash}) == 3


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Name": "a\\u0000b"}}', "NUL character"),
        (f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Name": "a\\\\\\u0000"}}', "NUL character"),
        (f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "a\\u0000b": 1}}', "NUL character"),
        (f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Name": "\\ud83d"}}', "surrogate"),
        (f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Name": "a\x01b"}}', "not valid JSON"),
        (f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Name": NaN}}', "NaN"),
        (f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Total": 1e200000}}', "too large"),
        (f'{{"UpdatedDateUTC": "{TIME}"}}', "no BillID"),
        (f'{{"BillID": " ", "UpdatedDateUTC": "{TIME}"}}', "no BillID"),
        (f'{{"BillID": 7, "UpdatedDateUTC": "{TIME}"}}', "no BillID"),
        (f'{{"BillID": "{"x" * (ID_LIMIT + 1)}", "UpdatedDateUTC": "{TIME}"}}', "longer than"),
        ('{"BillID": "b1"}', "cannot be read as a time"),
        ('{"BillID": "b1", "UpdatedDateUTC": "soon"}', "cannot be read as a time"),
        ("null", "no BillID"),
        ('"text"', "no BillID"),
    ],
)
def test_what_cannot_be_stored_is_rejected_with_a_sentence(raw, why):
    found = rejected(raw)

    assert why in found.sentence
    assert found.raw.encode()
    assert "\x00" not in found.raw


def test_an_escaped_backslash_before_u0000_is_no_nul_character():
    assert isinstance(read(f'{{"BillID": "b1", "UpdatedDateUTC": "{TIME}", "Name": "C:\\\\u0000"}}'), Record)


def test_of_two_records_with_one_id_the_newest_stays():
    old, new = record(UpdatedDateUTC="/Date(1000+0000)/"), record(UpdatedDateUTC="/Date(2000+0000)/")

    assert newest_of_each([new, old]) == (new,)
    assert newest_of_each([old, new]) == (new,)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_content_comes_out_as_it_went_in(content):
    raw = json.dumps({"content": content})

    _, elements = read_object(f'{{"Rows": [{raw}, 1], "More": 2}}', "Rows")

    assert elements is not None
    assert elements[0].raw == raw


def test_each_endpoint_has_its_own_table_and_distinct_columns():
    assert len({endpoint.shape.table for endpoint in ENDPOINTS}) == len(ENDPOINTS)
    for endpoint in ENDPOINTS:
        names = [column.name for column in endpoint.shape.columns]
        assert len(names) == len(set(names))


def test_numbers_are_hashed_by_their_text():
    _, one = read_object('{"Rows": [{"a": 1.0}]}', "Rows")
    _, two = read_object('{"Rows": [{"a": 1.00}]}', "Rows")

    assert one is not None
    assert two is not None
    assert content_hash(one[0].value) != content_hash(two[0].value)
