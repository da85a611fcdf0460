"""One answer is read as a page, or refused because nobody could read it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import paging, whole
from connectors.answers import read_answer
from connectors.dates import since_header
from connectors.errors import BrokenAnswerError
from connectors.pages import FILTER_IGNORED
from connectors.sheets import Ask
from connectors.xero import ENDPOINTS

BY_RESOURCE = {endpoint.resource: endpoint for endpoint in ENDPOINTS}
CONTACTS = BY_RESOURCE["xero.contacts"]
INVOICES = BY_RESOURCE["xero.invoices"]
OPTIONS = BY_RESOURCE["xero.tracking_options"]
JOURNALS = BY_RESOURCE["xero.journals"]
RECORDINGS = Path(__file__).parents[3] / "shared" / "reference" / "recordings"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PAGE_ONE = Ask(page=1, size=1000)


def contact(number: int, seconds: int = 0) -> dict[str, Any]:
    return {"ContactID": f"c{number}", "UpdatedDateUTC": f"/Date({1_700_000_000_000 + seconds * 1000}+0000)/"}


def body(rows: list[Any], **members: Any) -> bytes:
    return json.dumps({"Status": "OK", **members, "Contacts": rows}).encode()


def announced(count: int, size: int = 1000) -> dict[str, int]:
    return {"page": 1, "pageSize": size, "pageCount": -(-count // size), "itemCount": count}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"  \r\n",
        b"<!DOCTYPE html><html><head><title>We'll be right back</title></head></html>",
        b"The Xero API is currently offline for maintenance",
        b"[]",
        b"null",
        b"{}",
        b'{"Status": "OK"}',
        b'{"Contacts": null}',
        b'{"Contacts": {}}',
        b'{"Contacts": []',
        b'{"Contacts": [] ',
        b'{"Contacts": []}]',
        b'{"Contacts": [{"ContactID": "c1", "UpdatedDateUTC": "/Date(1)/"}, ',
        b'{"Contacts": [{"ContactID": "c1", "UpdatedDa',
        b'{"Contacts": [,]}',
        b'{"Contacts": [] "Status": 1}',
        b'{"Contacts": [' + b"[" * 5000 + b"]" * 5000 + b"]}",
        body([contact(1)], pagination=announced(2)),
        body([], pagination=announced(1)),
        body([contact(1), contact(2)], pagination=announced(1)),
        body([contact(1)], pagination={"pageSize": 0, "itemCount": 1}),
        body([contact(1)], pagination={"pageSize": "many", "itemCount": 1}),
        body([contact(1)], pagination=[]),
    ],
)
def test_an_answer_nobody_can_read_is_broken(broken):
    with pytest.raises(BrokenAnswerError) as caught:
        read_answer(CONTACTS, PAGE_ONE, broken, NOW)

    assert caught.value.at_once
    assert caught.value.sentence.endswith(".")


def test_a_page_cut_off_anywhere_is_broken():
    whole = body([contact(1), contact(2)], pagination=announced(2))

    for end in range(len(whole)):
        with pytest.raises(BrokenAnswerError):
            read_answer(CONTACTS, PAGE_ONE, whole[:end], NOW)


def test_a_web_page_is_quoted_by_its_title():
    with pytest.raises(BrokenAnswerError) as caught:
        read_answer(
            CONTACTS, PAGE_ONE, b"<html><title>Blocked by\n the gateway</title><p>secret</p></html>", NOW
        )

    assert caught.value.provider_words == "Blocked by the gateway"


def test_a_bad_record_is_set_aside_and_its_page_goes_on():
    reading = read_answer(CONTACTS, PAGE_ONE, body([contact(1), {"ContactID": "c2"}, contact(3)]), NOW)

    assert [record.id for record in reading.records] == ["c1", "c3"]
    assert [reject.id for reject in reading.rejects] == ["c2"]


def test_bytes_that_are_no_utf8_cost_one_record():
    rows = body([{**contact(1), "Name": "@"}, contact(2)]).replace(b"@", b"\xff")

    reading = read_answer(CONTACTS, PAGE_ONE, rows, NOW)

    assert [record.id for record in reading.records] == ["c2"]
    assert len(reading.rejects) == 1


def test_without_a_date_header_the_envelope_tells_the_time():
    reading = read_answer(CONTACTS, PAGE_ONE, body([], DateTimeUTC="/Date(1588633397422)/"), None)

    assert reading.sheet.answered_at == datetime(2020, 5, 4, 23, 3, 17, 422000, tzinfo=UTC)


@pytest.mark.parametrize(
    "rows",
    [
        [contact(1, 10), contact(2, 5)],
        [contact(1, 5), contact(2, 10), contact(3, 9)],
        [contact(1, -7200)],
    ],
    ids=["backwards", "a jump back inside", "older than asked"],
)
def test_an_answer_that_ignores_the_question_is_a_flaw_and_leaves_the_cursor(rows):
    newest = datetime.fromtimestamp(1_700_000_000, UTC)
    cursor = paging.begin("seek", 1000, newest)
    reading = read_answer(CONTACTS, PAGE_ONE, body(rows, pagination=announced(len(rows))), NOW)

    step = paging.step(cursor, reading.sheet)

    assert step.flaw == FILTER_IGNORED
    assert step.cursor == cursor
    assert not step.last
    assert paging.newest(step.cursor) == newest


def test_a_run_starts_five_minutes_before_its_cursor():
    newest = datetime(2026, 11, 22, 10, 0, 30, 999000, tzinfo=UTC)

    ask = paging.ask(paging.begin("seek", 1000, newest))

    assert ask.since is not None
    assert since_header(ask.since) == "2026-11-22T09:55:30"


def test_a_provider_that_ignores_the_page_size_does_not_end_the_list_early():
    cursor = paging.begin("seek", 1000, None)
    rows = [contact(number, number) for number in range(100)]

    told = read_answer(CONTACTS, PAGE_ONE, body(rows, pagination=announced(250, size=100)), NOW)
    untold = read_answer(CONTACTS, PAGE_ONE, body(rows), NOW)

    assert not paging.step(cursor, told.sheet).last
    assert not paging.step(cursor, untold.sheet).last


def test_a_read_from_the_beginning_knows_the_lists_length():
    cursor = paging.begin("seek", 1000, None)
    rows = [contact(number, number) for number in range(100)]

    first = paging.step(
        cursor, read_answer(CONTACTS, PAGE_ONE, body(rows, pagination=announced(250, 100)), NOW).sheet
    )
    second = paging.step(
        first.cursor, read_answer(CONTACTS, PAGE_ONE, body(rows, pagination=announced(101, 100)), NOW).sheet
    )

    assert first.announced == second.announced == 250


def test_a_read_since_a_time_does_not_claim_the_lists_length():
    cursor = paging.begin("seek", 1000, NOW - timedelta(days=1))

    step = paging.step(cursor, read_answer(CONTACTS, PAGE_ONE, body([], pagination=announced(0)), NOW).sheet)

    assert step.last
    assert step.announced is None
    assert paging.newest(step.cursor) == NOW - timedelta(days=1)


# --- Records inside others ---


def categories(*texts: str) -> bytes:
    return f'{{"TrackingCategories": [{", ".join(texts)}]}}'.encode()


def category(key: str, *options: str, name: str = '"Region"') -> str:
    return f'{{"TrackingCategoryID": "{key}", "Name": {name}, "Options": [{", ".join(options)}]}}'


def option(key: str, name: str = '"East"') -> str:
    return f'{{ "TrackingOptionID":"{key}","Name":{name} }}'


def options_of(body: bytes) -> Any:
    return read_answer(OPTIONS, Ask(), body, NOW)


def test_records_inside_others_keep_their_exact_text_and_know_where_they_lie():
    reading = options_of(categories(category("a", option("1"), option("2")), category("b"), "{}"))

    assert [record.raw for record in reading.records] == [option("1"), option("2")]
    assert [record.columns["tracking_category_id"] for record in reading.records] == ["a", "a"]
    assert len(reading.sheet.rows) == 2


def test_a_broken_record_inside_another_is_set_aside_alone():
    reading = options_of(
        categories(
            category("a", option("1"), option("2", '"a\\u0000b"'), option("3", '"a\x01b"'), "7", option("4"))
        )
    )

    assert [record.id for record in reading.records] == ["1", "4"]
    assert [reject.id for reject in reading.rejects] == ["2", "3", None]


@pytest.mark.parametrize("name", ['"a\\u0000b"', '"\\ud83d"'])
def test_an_outer_record_that_cannot_be_kept_costs_its_inner_ones_a_column(name):
    (found,) = options_of(categories(category("a", option("1"), name=name))).records

    assert found.columns["tracking_category_name"] is None
    assert found.columns["tracking_category_id"] == "a"


def test_a_control_character_in_the_outer_record_costs_its_inner_ones_nothing():
    (found,) = options_of(categories(category("a", option("1"), name='"a\x01b"'))).records

    assert found.id == "1"


def test_a_record_that_moved_or_whose_outer_one_was_renamed_has_changed():
    def hash_in(text: str) -> str:
        (found,) = options_of(categories(text)).records
        return str(found.hash)

    there = hash_in(category("a", option("1")))

    assert hash_in(category("a", option("1")).replace(" ", "")) == there
    assert hash_in(category("b", option("1"))) != there
    assert hash_in(category("a", option("1"), name='"District"')) != there


@pytest.mark.parametrize("broken", ["null", "7", '{"Options": {}}', '{"Options": "none"}'])
def test_an_outer_record_that_cannot_tell_its_inner_ones_breaks_the_answer(broken):
    with pytest.raises(BrokenAnswerError):
        options_of(categories(category("a", option("1")), broken))


@pytest.mark.parametrize("options", ['"Options": null', '"Name": "x"'])
def test_an_outer_record_without_its_inner_list_leaves_the_read_unproven(options):
    silent = f'{{"TrackingCategoryID": "b", {options}}}'
    empty = '{"TrackingCategoryID": "c", "Options": []}'

    reading = options_of(categories(category("a", option("1")), silent, empty))

    assert [record.id for record in reading.records] == ["1"]
    assert whole.step(whole.begin(), reading.sheet).announced == 2


def test_a_list_in_place_of_one_record_is_refused_whole():
    two = json.dumps({"Contacts": [{"ContactID": "1"}, {"ContactID": "2"}]}).encode()

    with pytest.raises(BrokenAnswerError, match="a list in place of one record"):
        read_answer(CONTACTS, Ask(id="1"), two, NOW)


# --- By number, and alone ---


def test_the_numbers_of_a_ledger_are_read_and_unreadable_ones_left_out():
    rows = [{"JournalID": f"j{number}", "JournalNumber": number} for number in (7, "8", 9)]

    reading = read_answer(JOURNALS, Ask(offset=0), json.dumps({"Journals": [*rows, 5]}).encode(), NOW)

    assert reading.sheet.numbers == (7, 9)
    assert len(reading.sheet.rows) == 4


def test_one_record_may_stand_in_place_of_its_list_when_it_was_asked_for_alone():
    alone = f'{{"Contacts": {json.dumps(contact(1))}}}'.encode()

    (found,) = read_answer(CONTACTS, Ask(id="c1"), alone, NOW).records

    assert found.id == "c1"
    with pytest.raises(BrokenAnswerError):
        read_answer(CONTACTS, PAGE_ONE, alone, NOW)


# --- Answers of the live service ---


def test_recorded_invoices_come_out_digit_for_digit():
    recording = RECORDINGS / "invoices-get.json"
    if not recording.exists():
        pytest.skip(f"the recorded answers of the live API are not at {RECORDINGS}")
    sent = json.loads(recording.read_text(encoding="utf-8"))["body"]

    reading = read_answer(INVOICES, PAGE_ONE, sent.encode(), None)

    wanted = json.loads(sent, parse_float=str, parse_int=str)["Invoices"]
    assert len(reading.records) == 79
    assert not reading.rejects
    assert [json.loads(record.raw, parse_float=str, parse_int=str) for record in reading.records] == wanted
    assert all(record.raw in sent for record in reading.records)
    assert [record.columns["total"] for record in reading.records] == [invoice["Total"] for invoice in wanted]
    assert reading.sheet.is_ordered()


def test_a_recorded_organisation_is_read():
    recording = RECORDINGS / "organisation-get.json"
    if not recording.exists():
        pytest.skip(f"the recorded answers of the live API are not at {RECORDINGS}")
    sent = json.loads(recording.read_text(encoding="utf-8"))["body"]

    (found,) = read_answer(BY_RESOURCE["xero.organisations"], PAGE_ONE, sent.encode(), None).records

    assert found.columns["base_currency"] == "NZD"
    assert found.columns["period_lock_date"] == "2009-09-30"
    assert found.modified_at is None
