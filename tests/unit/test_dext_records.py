"""What Dext says becomes records, however its amounts and ids are spelt, or is refused with a sentence."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from config.dext import DextSettings
from connectors.dext import ENDPOINTS, endpoints
from connectors.dext.answers import read_alone, read_page, read_value
from connectors.dext.wire import account_from_wire, job_from_wire
from connectors.errors import BrokenAnswerError, TransientError
from connectors.transport import Answer
from store.tables import table_of

BY_RESOURCE = {endpoint.resource: endpoint for endpoint in ENDPOINTS}
ITEMS, TAXES = BY_RESOURCE["dext.items"], BY_RESOURCE["dext.tax_rates"]
SETTINGS = DextSettings()
ITEM = '"id": "5304133527", "version": 4, "status": "published", "updated_at": "2026-11-20T10:41:07Z"'
END = '"page": {"next_cursor": null, "limit": 100}'


def answer(body: str) -> Answer:
    return Answer(200, {"Date": "Fri, 20 Nov 2026 11:00:00 GMT"}, body.encode())


def item(*members: str) -> Any:
    body = f'{{"data": [{{{", ".join((ITEM, *members))}}}], {END}}}'
    reading, _ = read_page(SETTINGS, ITEMS, answer(body))
    assert reading.rejects == ()
    (record,) = reading.records
    return record


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"234.00"', "234.00"),
        ("234.00", "234.00"),
        ("0.0", "0.0"),
        ('"-5.10"', "-5.10"),
        ("2.34e2", "234"),
        ('" 12.5 "', "12.5"),
        ("null", None),
        ('""', None),
        ('"twelve"', None),
        ('"1,234.00"', None),
        ("true", None),
    ],
)
def test_an_amount_is_read_digit_for_digit_as_text_as_a_number_or_as_none(written, read):
    assert item(f'"total_amount": {written}').columns["total_amount"] == read


def test_a_record_keeps_dexts_own_text():
    record = item('"total_amount":  234.00', '"new_field": {"a": 1.10}')

    assert record.raw.endswith('"total_amount":  234.00, "new_field": {"a": 1.10}}')
    assert record.columns["version"] == 4
    assert record.modified_at == datetime(2026, 11, 20, 10, 41, 7, tzinfo=UTC)


def test_what_no_column_shows_still_makes_another_version():
    assert item('"note": "a"').hash != item('"note": "b"').hash
    assert item('"total_amount": "1.0"').hash != item('"total_amount": 1.0').hash


@pytest.mark.parametrize(
    ("members", "status", "archived"),
    [
        ('"status": "published"', "published", False),
        ('"status": "something_new"', "something_new", False),
        ('"status": "archived"', "archived", True),
        ('"status": "deleted"', "deleted", True),
        ('"status": "published", "deleted_at": "2026-11-20T10:41:07Z"', "deleted", True),
        ('"status": "published", "deleted_at": null', "published", False),
    ],
)
def test_a_deletion_shows_by_its_status_or_its_time(members, status, archived):
    record = item(members)

    assert (record.columns["status"], record.archived) == (status, archived)


@pytest.mark.parametrize(("active", "archived"), [("true", False), ("false", True)])
def test_an_entry_that_is_not_active_is_archived(active, archived):
    body = f"""{{"data": [{{"id": 4, "external_id": "xero:tax:INPUT2", "active": {active},
        "updated_at": "2026-11-20T08:00:00Z", "attributes": {{"rate": "20.0000"}}}}], {END}}}"""

    (record,) = read_page(SETTINGS, TAXES, answer(body))[0].records

    assert (record.id, record.archived) == ("4", archived)
    assert (record.columns["rate"], record.columns["external_id"]) == ("20.0000", "xero:tax:INPUT2")


def test_one_record_costs_no_other_its_place():
    body = f'{{"data": [{{"id": "x"}}, {{{ITEM}}}], {END}}}'

    reading, _ = read_page(SETTINGS, ITEMS, answer(body))

    assert [record.id for record in reading.records] == ["5304133527"]
    assert [reject.id for reject in reading.rejects] == ["x"]


@pytest.mark.parametrize("body", [f"{{{ITEM}}}", f'{{"data": {{{ITEM}}}}}'])
def test_one_record_alone_may_be_wrapped(body):
    (record,) = read_alone(ITEMS, answer(body)).records

    assert record.raw == f"{{{ITEM}}}"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"data": []}',
        '{"data": [], "page": null}',
        f'{{"data": {{}}, {END}}}',
        '{"data": [',
        "no",
    ],
)
def test_an_answer_that_nobody_can_read_is_asked_again(body):
    with pytest.raises(BrokenAnswerError):
        read_page(SETTINGS, ITEMS, answer(body))


def test_a_page_to_sign_in_at_is_not_asked_again_at_once():
    with pytest.raises(TransientError) as refused:
        read_page(SETTINGS, ITEMS, answer("\n<!doctype html><title>Sign in</title>"))

    assert (refused.value.code, refused.value.at_once) == ("unexpected_answer", False)


def test_an_account_tells_what_it_offers_and_what_it_does_not_say():
    account = read_value(
        answer(
            json.dumps(
                {
                    "id": 8812,
                    "name": "Harbour Cafe Ltd",
                    "connection": {"status": "active", "expires_at": "2027-11-20T09:00:00Z"},
                    "features": {"list_push": True, "outcome_report": False, "tax_list_enabled": None},
                }
            )
        ),
        account_from_wire,
    )

    assert account.id == "8812"
    assert account.expires_at == datetime(2027, 11, 20, 9, tzinfo=UTC)
    offered = [account.offers(name) for name in ("list_push", "outcome_report", "tax_list_enabled", "other")]
    assert offered == [True, False, None, None]


def test_a_job_tells_which_entries_were_not_taken():
    refused = '[{"external_id": "xero:tax:X", "code": "bad"}]'
    body = f'{{"job_id": "j1", "status": "partly_failed", "accepted": 3, "rejected": {refused}}}'

    job = read_value(answer(body), job_from_wire)

    assert (job.ended, job.accepted, job.rejected[0].external_id) == (True, 3, "xero:tax:X")


@pytest.mark.parametrize(
    "body", ["{}", '{"job_id": "j1"}', '{"job_id": "j", "status": "queued", "rejected": 7}']
)
def test_a_job_that_does_not_say_what_became_of_it_is_no_job(body):
    with pytest.raises(BrokenAnswerError):
        read_value(answer(body), job_from_wire)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.resource)
def test_each_list_has_a_table_of_its_own(endpoint):
    names = [field.name for field in endpoint.fields]

    assert len(table_of(endpoint.shape).columns) == len(set(names)) + 11


@pytest.mark.parametrize(
    ("given", "items", "lists"),
    [
        ({}, "seek", "through"),
        ({"dext_paging": "page"}, "seek", "through"),
        ({"dext_paging": "none"}, "changes", "whole"),
        ({"dext_changed_since_param": "none"}, "through", "through"),
        ({"dext_changed_since_param": "none", "dext_paging": "none"}, "whole", "whole"),
    ],
)
def test_how_lists_are_read_is_as_configured(given, items, lists):
    made = {endpoint.resource: endpoint for endpoint in endpoints(DextSettings(**given))}

    assert (made["dext.items"].paging, made["dext.suppliers"].paging) == (items, lists)
    assert made["dext.items"].shape.whole == (given.get("dext_changed_since_param") == "none")
    assert [made["dext.items"].reference, made["dext.suppliers"].reference] == [False, True]
