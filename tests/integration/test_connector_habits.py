"""The connector reads lists of one answer, by number, one by one and inside one another over HTTP."""

import json
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from connectors.errors import NotFoundError
from connectors.pages import FILTER_IGNORED
from connectors.xero import ENDPOINTS
from limiter.limiter import Limiter
from sandbox.testing import Sandbox
from tests.integration.connector_reader import LIMITS, PLENTY, Reader

BY_RESOURCE = {endpoint.resource: endpoint for endpoint in ENDPOINTS}
ONE_BY_ONE = [endpoint.resource for endpoint in ENDPOINTS if endpoint.paging == "each"]
ONE_ANSWER = [endpoint.resource for endpoint in ENDPOINTS if endpoint.paging == "changes"]
ALONE = [endpoint.resource for endpoint in ENDPOINTS if endpoint.alone]
NOT_ALONE = [endpoint.resource for endpoint in ENDPOINTS if not endpoint.alone]
GROUPS, OPTIONS, JOURNALS = "xero.contact_groups", "xero.tracking_options", "xero.journals"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=2) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.calm()
    running.limits(**PLENTY)
    running.since("inclusive")
    return running


@pytest.fixture
def reader(sandbox: Sandbox, redis_url: str) -> Iterator[Reader]:
    limiter = Limiter(redis_url, LIMITS)
    yield Reader(sandbox, limiter)
    limiter.close()


# --- Changes ---


@pytest.mark.parametrize("resource", ONE_ANSWER)
def test_an_answer_of_changes_that_ignores_the_time_leaves_the_cursor_and_brings_the_rows(
    resource, reader, sandbox
):
    reader.run(resource)
    newest = reader.newest
    sandbox.faults("filter_ignored", endpoint=BY_RESOURCE[resource].path, tenant=reader.tenant, count=1)

    page = reader.run(resource)

    assert page.flaw == FILTER_IGNORED
    assert page.records
    assert reader.newest == newest


# --- One by one ---


@pytest.mark.parametrize("resource", ONE_BY_ONE)
def test_each_record_is_read_alone_with_what_the_list_leaves_out(resource, reader):
    last = reader.run(resource)

    assert reader.differences(resource) == []
    assert len(reader.pages) == 1 + len(reader.stored)
    assert not reader.pages[0].records
    assert last.announced == len(reader.stored)


def test_a_record_that_vanishes_while_each_is_read_is_passed_over(reader, sandbox):
    ids = [record["ContactGroupID"] for record in sandbox.dump(reader.tenant, GROUPS)]
    vanishing = ids[len(ids) // 2]
    after_the_list = {"endpoint": "ContactGroups", "skip": 0, "every": 1, "times": 1}
    sandbox.edit(reader.tenant, GROUPS, "remove", ids=[vanishing], after_calls=after_the_list)

    last = reader.run(GROUPS)

    assert vanishing not in reader.stored
    assert reader.differences(GROUPS) == []
    assert last.announced == len(ids)  # one more than was shown: nothing is gone by this read
    assert sum(page.calls for page in reader.pages) == 1 + len(ids)


def test_who_joins_a_group_is_seen_though_its_list_stays_the_same(reader, sandbox):
    reader.run(GROUPS)
    before = {key: record.hash for key, record in reader.stored.items()}
    (edited,) = sandbox.edit(reader.tenant, GROUPS, "silent", count=1)

    reader.run(GROUPS)

    assert reader.stored[edited].hash != before[edited]
    assert reader.differences(GROUPS) == []


# --- Inside one another ---


def test_options_know_their_category_and_archived_ones_come_too(reader, sandbox):
    (archived,) = sandbox.edit(reader.tenant, OPTIONS, "archive", count=1)

    last = reader.run(OPTIONS)

    assert reader.differences(OPTIONS) == []
    assert reader.stored[archived].archived
    assert last.announced == len(reader.stored)
    categories = sandbox.dump(reader.tenant, "xero.tracking_categories")
    home = {
        option["TrackingOptionID"]: (category["TrackingCategoryID"], category["Name"])
        for category in categories
        for option in category["Options"]
    }
    assert {
        key: (record.columns["tracking_category_id"], record.columns["tracking_category_name"])
        for key, record in reader.stored.items()
    } == home


# --- By number ---


@pytest.mark.parametrize("reading", ["inclusive", "exclusive"])
def test_the_ledger_is_read_by_its_numbers_while_it_grows(reading, reader, sandbox):
    sandbox.since(reading)
    sandbox.edit(
        reader.tenant,
        JOURNALS,
        "add",
        count=2,
        after_calls={"endpoint": "Journals", "skip": 0, "every": 1, "times": 2},
    )

    reader.run(JOURNALS)
    assert reader.differences(JOURNALS) == []
    sandbox.edit(reader.tenant, JOURNALS, "add", count=1, visible_after=60)
    sandbox.edit(reader.tenant, JOURNALS, "add", count=1)
    reader.run(JOURNALS)
    sandbox.advance(600)
    reader.run(JOURNALS)

    assert reader.differences(JOURNALS) == []


# --- Alone ---


@pytest.mark.parametrize("resource", ALONE)
def test_one_record_read_alone_is_the_record_of_the_list(resource, reader, sandbox):
    endpoint = BY_RESOURCE[resource]
    listed = json.loads(sandbox.dump_bytes(reader.tenant, resource), parse_float=str)["records"][0]

    page = reader.alone(resource, listed[endpoint.id])

    (record,) = page.records
    assert json.loads(record.raw, parse_float=str) == listed
    assert page.last
    assert page.announced is None


def test_a_record_nobody_has_is_not_found(reader):
    for nobody in ("8a1e5d5c-0000-4000-8000-000000000000", "../Contacts", "a b?page=1#"):
        with pytest.raises(NotFoundError):
            reader.alone("xero.invoices", nobody)


def test_an_id_stays_one_part_of_the_path(reader, sandbox):
    before = sandbox.last_call()

    with pytest.raises(NotFoundError):
        reader.alone("xero.tax_rates", "OUTPUT/../../Contacts")

    (call,) = sandbox.calls(before)
    assert unquote(call["endpoint"]).startswith("TaxRates")


@pytest.mark.parametrize("resource", NOT_ALONE)
def test_what_cannot_be_asked_for_alone_is_refused_without_a_call(resource, reader, sandbox):
    before = sandbox.last_call()

    with pytest.raises(ValueError, match="one by one"):
        reader.alone(resource, "anything")

    assert sandbox.last_call() == before
