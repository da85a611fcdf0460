"""The connector against the sandbox over HTTP: nothing lost amid edits, and each fault has its error."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.errors import (
    AccessLostError,
    BrokenAnswerError,
    PermissionMissingError,
    RateLimitedError,
    TokenExpiredError,
    TransientError,
)
from connectors.oauth import XeroIdentity
from connectors.pages import FILTER_IGNORED
from connectors.transport import Transport
from connectors.xero import ENDPOINTS
from limiter.limiter import Limiter
from sandbox.testing import Sandbox
from tests.integration.connector_reader import LIMITS, PLENTY, Reader

SEEK = [endpoint.resource for endpoint in ENDPOINTS if endpoint.paging == "seek"]
ALL = [endpoint.resource for endpoint in ENDPOINTS]
CHANGES = [endpoint.resource for endpoint in ENDPOINTS if endpoint.paging in ("seek", "changes")]
UNCOUNTED = {"xero.journals"}  # the provider never says how many there are
SAME_WORDS = {"xero.organisation_actions", "xero.currencies", "xero.tax_rates"}  # ids are equal everywhere
PATHS = {endpoint.resource: endpoint.path for endpoint in ENDPOINTS}


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
def limiter(redis_url: str) -> Iterator[Limiter]:
    limiter = Limiter(redis_url, LIMITS)
    yield limiter
    limiter.close()


@pytest.fixture
def reader(sandbox: Sandbox, limiter: Limiter) -> Reader:
    return Reader(sandbox, limiter)


# --- Complete ---


@pytest.mark.parametrize("resource", ALL)
def test_each_list_is_read_whole_and_of_one_organisation_alone(resource, sandbox, limiter):
    ours, theirs = Reader(sandbox, limiter, 0), Reader(sandbox, limiter, 1)

    last = ours.run(resource)
    theirs.run(resource)

    assert ours.differences(resource) == theirs.differences(resource) == []
    assert last.announced == (None if resource in UNCOUNTED else len(ours.stored))
    if resource not in SAME_WORDS:
        assert not ours.stored.keys() & theirs.stored.keys()


@pytest.mark.parametrize("reading", ["inclusive", "exclusive"])
@pytest.mark.parametrize("resource", SEEK)
def test_seek_loses_nothing_while_300_records_of_one_second_are_edited(resource, reading, reader, sandbox):
    sandbox.since(reading)
    sandbox.edit(reader.tenant, resource, "add", count=300, same_second=True)
    sandbox.advance(600)
    reader.connector.endpoints = {resource: _in_hundreds(reader, resource)}
    for which in ("first", "read", "random"):
        sandbox.edit(
            reader.tenant,
            resource,
            which=which,
            count=2,
            after_calls={"endpoint": PATHS[resource], "skip": 0, "every": 1, "times": 4},
        )

    reader.run(resource)

    assert sum(edit["done"] for edit in sandbox.armed_edits()) == 12
    assert len(reader.pages) > 5
    assert reader.differences(resource) == []


@pytest.mark.parametrize("reading", ["inclusive", "exclusive"])
@pytest.mark.parametrize("resource", CHANGES)
def test_the_next_run_reads_what_was_edited_added_or_shown_late(resource, reading, reader, sandbox):
    sandbox.since(reading)
    reader.run(resource)
    sandbox.edit(reader.tenant, resource, "add", count=1, visible_after=60)
    sandbox.edit(reader.tenant, resource, "edit", count=3)
    reader.run(resource)
    sandbox.advance(600)
    sandbox.edit(reader.tenant, resource, "add", count=2)

    last = reader.run(resource)

    assert reader.differences(resource) == []
    assert last.calls == 1


def test_archived_contacts_come_too(reader, sandbox):
    (contact,) = sandbox.edit(reader.tenant, "xero.contacts", "archive", count=1)

    reader.run("xero.contacts")

    assert reader.stored[contact].archived


def test_backward_loses_nothing_while_linked_transactions_are_edited(reader, sandbox):
    resource = "xero.linked_transactions"
    sandbox.edit(reader.tenant, resource, "add", count=300, same_second=True)
    sandbox.advance(600)
    for which in ("first", "read", "random"):
        sandbox.edit(
            reader.tenant,
            resource,
            which=which,
            count=2,
            after_calls={"endpoint": PATHS[resource], "skip": 0, "every": 1, "times": 6},
        )

    last = reader.run(resource)

    assert last.flaw is None
    assert reader.differences(resource) == []


def test_records_with_a_nul_character_or_half_a_surrogate_are_set_aside(reader, sandbox):
    bad = [
        *sandbox.edit(reader.tenant, "xero.contacts", count=1, poison="nul"),
        *sandbox.edit(reader.tenant, "xero.contacts", count=1, poison="surrogate"),
    ]

    page = reader.page("xero.contacts")

    assert {reject.id for reject in page.rejects} == set(bad)
    assert not {record.id for record in page.records} & set(bad)
    assert page.flaw is None
    sandbox.edit(reader.tenant, "xero.contacts", "remove", ids=bad)


def test_one_client_serves_many_threads_and_mixes_no_organisations(sandbox, limiter):
    ours, theirs = Reader(sandbox, limiter, 0), Reader(sandbox, limiter, 1)
    theirs.connector = ours.connector

    def ids(reader: Reader) -> frozenset[str]:
        return frozenset(record.id for record in reader.page("xero.contacts").records)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ids, [ours, theirs] * 20))

    assert set(found[::2]) == {ids(ours)}
    assert set(found[1::2]) == {ids(theirs)}
    assert not found[0] & found[1]


# --- Each fault its error ---

TOO_MANY = {
    "kind": "status",
    "status": 429,
    "headers": {"X-Rate-Limit-Problem": "minute", "Retry-After": "9"},
}


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"kind": "status", "status": 503}, TransientError, "unavailable"),
        ({"kind": "status", "status": 500}, TransientError, "server_error"),
        ({"kind": "empty"}, BrokenAnswerError, "broken_answer"),
        ({"kind": "html"}, BrokenAnswerError, "broken_answer"),
        ({"kind": "truncated"}, BrokenAnswerError, "broken_answer"),
        ({"kind": "cut"}, TransientError, "connection_lost"),
        ({"kind": "reset"}, TransientError, "connection_lost"),
        ({"kind": "lost_answer"}, TransientError, "connection_lost"),
        ({"kind": "short_page"}, BrokenAnswerError, "broken_answer"),
        ({"kind": "scope"}, PermissionMissingError, "scope_missing"),
        (
            TOO_MANY,
            RateLimitedError,
            "rate_limited",
        ),
    ],
    ids=lambda value: str(value.get("kind")) if isinstance(value, dict) else None,
)
def test_each_fault_is_a_named_error(fault, error, code, reader, sandbox):
    sandbox.faults(**fault, endpoint="Contacts", tenant=reader.tenant, count=3)

    refused = reader.refused()

    assert type(refused) is error
    assert refused.code == code


@pytest.mark.parametrize("kind", ["empty", "html", "truncated", "cut", "reset", "lost_answer", "short_page"])
def test_short_trouble_is_over_with_the_next_attempt(kind, reader, sandbox):
    sandbox.faults(kind, endpoint="Contacts", tenant=reader.tenant, count=1)

    assert reader.page("xero.contacts").calls == 2


@pytest.mark.parametrize(("kind", "seconds"), [("drip", 1), ("slow", 20)])
def test_an_answer_that_takes_too_long_is_given_up(kind, seconds, sandbox, limiter):
    reader = Reader(sandbox, limiter, transport=Transport(deadline=timedelta(seconds=2)))
    sandbox.faults(kind, endpoint="Contacts", tenant=reader.tenant, count=1, seconds=seconds)

    assert reader.refused().code == "timeout"


def test_an_organisation_that_left_is_known_from_one_that_stays(sandbox, limiter):
    ours, theirs = Reader(sandbox, limiter, 0), Reader(sandbox, limiter, 1)
    sandbox.faults("tenant_removed", tenant=ours.tenant)

    refused = ours.refused()

    assert isinstance(refused, AccessLostError)
    assert theirs.page("xero.contacts").records


def test_an_access_token_that_is_used_up_asks_for_a_refresh(reader, sandbox):
    sandbox.advance(1801)

    assert isinstance(reader.refused(), TokenExpiredError)


@pytest.mark.parametrize("kind", ["filter_ignored", "wrong_order"])
@pytest.mark.parametrize("resource", SEEK)
def test_a_filter_ignored_leaves_the_cursor_and_brings_the_rows(kind, resource, reader, sandbox):
    reader.run(resource)
    newest = reader.newest
    sandbox.edit(reader.tenant, resource, count=1)
    sandbox.advance(1)
    sandbox.edit(reader.tenant, resource, count=1)
    sandbox.faults(kind, endpoint=PATHS[resource], tenant=reader.tenant, count=1)

    page = reader.run(resource)

    assert page.flaw == FILTER_IGNORED
    assert page.records
    assert reader.newest == newest


def test_a_grant_is_refreshed_and_lists_its_organisations(sandbox):
    app = sandbox.grants()
    grant = app["grants"][0]
    identity = XeroIdentity(sandbox.url, sandbox.url, app["client_id"], SecretStr(app["client_secret"]))

    pair = identity.refresh(SecretStr(grant["refresh_token"]))
    reached = identity.connections(pair.access_token)

    assert pair.refresh_token.get_secret_value() == sandbox.grants()["grants"][0]["refresh_token"]
    assert {tenant.id for tenant in reached} == {tenant["tenant_id"] for tenant in grant["tenants"]}


def _in_hundreds(reader: Reader, resource: str) -> Any:
    endpoint = reader.connector.endpoints[resource]
    return type(endpoint)(**{**vars(endpoint), "page_size": 100})
