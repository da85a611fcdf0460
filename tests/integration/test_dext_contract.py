"""The contract that every adapter to Dext keeps, under every configuration: run it against a real one, too.

An adapter is what `ADAPTERS` makes; a configuration is our settings and the habits that Dext shows for them.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.dext import ENDPOINTS, ListEntry, Outcome
from connectors.errors import (
    ConfigurationError,
    ConflictError,
    ConnectorError,
    GrantLostError,
    InvalidError,
    NotFoundError,
    RateLimitedError,
    TokenExpiredError,
    TransientError,
    UnknownOutcomeError,
    UnsupportedError,
)
from limiter.limiter import Limiter
from sandbox.testing import Sandbox
from tests.integration.dext_reader import LIMITS, PLENTY, DextReader

RESOURCES = [endpoint.resource for endpoint in ENDPOINTS]
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ADAPTERS: dict[str, Callable[..., DextReader]] = {"rest": DextReader}


@dataclass(frozen=True)
class Configuration:
    """Our settings, and the habits of Dext's that they are for."""

    name: str
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)

    @property
    def asks_for_changes(self) -> bool:
        return self.ours.get("dext_changed_since_param") != "none"


CONFIGURATIONS = (
    Configuration("the contract"),
    Configuration("short pages", {"dext_page_size": 7}),
    Configuration("shorter pages than asked for", theirs={"page_size": 9}),
    Configuration("numbered pages", {"dext_paging": "page", "dext_page_size": 25}, {"paging": "page"}),
    Configuration("pages cut short", {"dext_paging": "page"}, {"paging": "page", "page_size": 10}),
    Configuration("no pages", {"dext_paging": "none"}, {"paging": "none"}),
    Configuration("no changes", {"dext_changed_since_param": "none", "dext_page_size": 20}),
    Configuration("amounts of any kind", theirs={"amounts": "mixed"}),
    Configuration(
        "errors in a 200", theirs={"errors": "errorcode", "refresh_token": "stays", "expires_in": "absent"}
    ),
    Configuration("dates and links", theirs={"retry_after": "date", "files": "link"}),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=2) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.calm()
    running.limits("dext", **PLENTY)
    return running


@pytest.fixture
def limiter(redis_url: str) -> Iterator[Limiter]:
    limiter = Limiter(redis_url, LIMITS)
    yield limiter
    limiter.close()


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Callable[..., DextReader]:
    return ADAPTERS[request.param]


@pytest.fixture(params=CONFIGURATIONS, ids=lambda made: made.name)
def configuration(request: pytest.FixtureRequest, sandbox: Sandbox) -> Configuration:
    made: Configuration = request.param
    if made.theirs:
        sandbox.dext_switch(**made.theirs)
    return made


@pytest.fixture
def dext(adapter, configuration, sandbox, limiter) -> DextReader:
    return adapter(sandbox, limiter, **configuration.ours)


@pytest.fixture
def plain(adapter, sandbox, limiter) -> DextReader:
    """Under the contract's own configuration."""
    return adapter(sandbox, limiter)


def failed(call: Callable[..., Any], *arguments: Any) -> Any:
    with pytest.raises(ConnectorError) as caught:
        call(*arguments)
    return caught.value


# --- Under every configuration ---


def test_each_list_is_read_whole_and_of_one_account_alone(dext, adapter, configuration, sandbox, limiter):
    for resource in RESOURCES:
        dext.stored, dext.newest = {}, None
        last = dext.run(resource)
        assert (resource, dext.differences(resource), last.flaw) == (resource, [], None)

    other = adapter(sandbox, limiter, 1, **configuration.ours)
    dext.stored, dext.newest = {}, None
    dext.run("dext.items")
    other.run("dext.items")
    assert dext.stored
    assert not dext.stored.keys() & other.stored.keys()


@pytest.mark.parametrize("resource", ["dext.items", "dext.suppliers"])
def test_nothing_is_lost_while_records_are_edited_between_answers(resource, dext, sandbox):
    for which in ("first", "read", "random"):
        sandbox.edit(
            dext.account,
            resource,
            which=which,
            count=2,
            after_calls={"endpoint": resource, "skip": 0, "every": 1, "times": 3},
        )

    for _ in range(4):  # the first meets edits between its answers, the last none at all
        dext.run(resource)
        sandbox.advance(600)

    assert sum(edit["done"] for edit in sandbox.armed_edits()) == 9
    assert dext.differences(resource) == []


def test_the_next_run_reads_what_was_edited_added_or_deleted(dext, configuration, sandbox):
    dext.run("dext.items")
    if configuration.asks_for_changes:
        assert dext.newest == max(record.modified_at for record in dext.stored.values())
    sandbox.advance(1800)
    sandbox.edit(dext.account, "dext.items", "edit", count=3)
    sandbox.edit(dext.account, "dext.items", "add", count=2)
    (deleted,) = sandbox.edit(dext.account, "dext.items", "delete", count=1)
    dext.pages.clear()

    dext.run("dext.items")

    assert dext.differences("dext.items") == []
    assert dext.stored[deleted].archived
    if configuration.asks_for_changes:
        assert sum(page.calls for page in dext.pages) <= 3


def test_amounts_are_read_however_they_are_spelt(dext):
    dext.run("dext.items")

    read = [record.columns["total_amount"] for record in dext.stored.values()]
    written = [record.raw for record in dext.stored.values()]
    shown = [text for text in written if '"total_amount":null' not in text.split('"line_items"')[0]]
    assert len([amount for amount in read if amount is not None]) >= len(shown) > 0


def test_one_item_alone_equals_the_one_in_its_list(dext):
    dext.run("dext.items")
    record_id = next(iter(dext.stored))

    page = dext.alone(record_id)

    assert page.records == (dext.stored[record_id],)
    assert type(failed(dext.alone, "0")) is NotFoundError


def test_the_account_tells_who_it_is(dext):
    account = dext.port.account(dext.call)

    assert account.id == dext.account
    assert account.expires_at is not None
    assert account.offers("list_push")


def test_a_file_comes_whole(dext):
    dext.run("dext.items")
    record = next(each for each in dext.stored.values() if each.columns["file_sha256"] and not each.archived)
    sink = io.BytesIO()

    got = dext.port.file(record.id, sink, dext.call, sha256=record.columns["file_sha256"])

    assert got.size == len(sink.getvalue()) == record.columns["file_size"]
    assert got.sha256 == hashlib.sha256(sink.getvalue()).hexdigest()


def test_a_list_is_pushed_and_the_one_refused_entry_named(dext, sandbox):
    sandbox.dext_switch(dext.account, reject=["xero:tax:BAD"])
    entries = [ListEntry(f"xero:tax:{code}", code.title(), code) for code in ("GOOD", "BAD")]

    job = dext.port.put_list("tax_rates", entries, "upsert", NOW, f"push:{dext.account}", dext.call)
    while not job.ended:
        job = dext.port.list_job(job.id, dext.call)

    assert (job.status, job.accepted) == ("partly_failed", 1)
    assert [entry.external_id for entry in job.rejected] == ["xero:tax:BAD"]
    dext.run("dext.tax_rates")
    assert "xero:tax:GOOD" in {record.columns["external_id"] for record in dext.stored.values()}


def test_an_outcome_told_twice_counts_once(dext, sandbox):
    dext.run("dext.items")
    record = next(each for each in dext.stored.values() if each.columns["status"] == "published")
    outcome = Outcome(record.columns["publication_id"], "received", NOW)

    for _ in range(2):
        dext.port.report_outcome(record.id, outcome, dext.call)

    told = sandbox.control("GET", f"dext/outcomes/{dext.account}")["outcomes"]
    assert sum(one["report"]["publication_id"] == outcome.publication_id for one in told) == 1


def test_a_token_that_dies_is_renewed_and_reading_goes_on(dext, sandbox):
    sandbox.faults("token_dies", endpoint="dext.items", tenant=dext.account, count=1)
    assert type(failed(dext.run, "dext.items")) is TokenExpiredError

    dext.renew()
    dext.run("dext.items")

    assert dext.differences("dext.items") == []


def test_a_429_pauses_until_it_says(dext, sandbox):
    sandbox.limits(dext.account, minute=1, style="rolling")  # a fixed one may begin anew between the calls
    dext.page("dext.projects")

    refused = failed(dext.page, "dext.projects")

    assert type(refused) is RateLimitedError
    assert timedelta(0) < refused.wait <= timedelta(seconds=62)
    assert failed(dext.page, "dext.projects").calls == 0


# --- What each fault means ---


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"kind": "status", "status": 500}, TransientError, "server_error"),
        ({"kind": "status", "status": 503}, TransientError, "unavailable"),
        ({"kind": "status", "status": 409}, ConflictError, "conflict"),
        ({"kind": "status", "status": 422}, InvalidError, "invalid"),
        ({"kind": "cut"}, TransientError, "connection_lost"),
        ({"kind": "reset"}, TransientError, "connection_lost"),
        ({"kind": "html", "status": 200}, TransientError, "unexpected_answer"),
    ],
)
def test_each_fault_has_its_error(fault, error, code, plain, sandbox):
    sandbox.faults(**fault, endpoint="dext.items", tenant=plain.account, count=3)

    refused = failed(plain.page, "dext.items")

    assert (type(refused), refused.code) == (error, code)


def test_a_429_that_does_not_say_pauses_for_a_minute(plain, sandbox):
    sandbox.dext_switch(retry_after="none")
    sandbox.limits(plain.account, minute=1, style="rolling")  # a fixed one may begin anew between the calls
    plain.page("dext.projects")

    assert failed(plain.page, "dext.projects").wait >= timedelta(seconds=60)


@pytest.mark.parametrize("feature", ["list_push", "outcome_report"])
def test_what_the_plan_lacks_is_a_normal_answer(feature, plain, sandbox):
    sandbox.dext_switch(plain.account, features={feature: False})
    outcome = Outcome("pub", "received", NOW)
    asked = {
        "list_push": lambda: plain.port.put_list("projects", [], "upsert", NOW, "k", plain.call),
        "outcome_report": lambda: plain.port.report_outcome("1", outcome, plain.call),
    }

    assert type(failed(asked[feature])) is UnsupportedError
    assert plain.port.account(plain.call).offers(feature) is False


def test_a_write_whose_answer_is_lost_is_done_once(plain, sandbox):
    sandbox.faults("lost_answer", endpoint="dext.push", tenant=plain.account, count=1)
    before = sandbox.last_call()

    job = plain.port.put_list("projects", [ListEntry("p:1", "One")], "upsert", NOW, "once:1", plain.call)

    assert job.id
    assert len([call for call in sandbox.calls(before) if call["endpoint"] == "dext.push"]) == 2
    again = plain.port.put_list("projects", [ListEntry("p:1", "One")], "upsert", NOW, "once:1", plain.call)
    assert again.id == job.id


def test_a_write_whose_answers_are_all_lost_is_in_doubt(plain, sandbox):
    sandbox.faults("lost_answer", endpoint="dext.push", tenant=plain.account, count=3)

    refused = failed(plain.port.put_list, "projects", [], "upsert", NOW, "doubt:1", plain.call)

    assert type(refused) is UnknownOutcomeError


def test_a_setting_that_would_cut_lists_short_is_found_out(adapter, sandbox, limiter):
    sandbox.dext_switch(page_size=5)

    refused = failed(adapter(sandbox, limiter, dext_paging="none").run, "dext.items")

    assert type(refused) is ConfigurationError


def test_a_revoked_consent_is_lost_and_another_one_goes_on(plain, sandbox):
    plain.identity.revoke(plain.pair.refresh_token)
    try:
        assert type(failed(plain.page, "dext.items")) is TokenExpiredError
        assert type(failed(plain.renew)) is GrantLostError
    finally:
        sandbox.control("POST", "dext/connect", {"account": plain.account})
