"""Dext through the whole engine: read beside Xero, within its own limits, complete whatever is edited."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config.limits import LIMITS, CallClass, Outage
from connectors.errors import RateLimitedError
from connectors.http import Access
from limiter.limiter import Account
from sandbox.testing import Sandbox
from store import organisations
from sync.files import fetch
from sync.providers import SHAPES
from tests.integration.engine import ROOMY, Engine, engine

ITEMS, SUPPLIERS = "dext.items", "dext.suppliers"
RESOURCES = [name for name in SHAPES if name.startswith("dext.")]

MakeEngine = Callable[..., Engine]


@pytest.fixture
def made(shared_sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[MakeEngine]:
    """Makes the test's engine, with settings of Dext's, on the module's sandbox."""
    shared_sandbox.calm()
    with ExitStack() as running:

        def make(theirs: dict[str, Any] | None = None, limits: Any = ROOMY, **ours: Any) -> Engine:
            shared_sandbox.dext_switch(**theirs or {})
            return running.enter_context(
                engine(shared_sandbox, database_url, redis_url, limits=limits, **ours)
            )

        yield make


def differing(dext: Engine, slug: str, resource: str = ITEMS) -> set[str]:
    """The ids of what is not in the store as Dext has it."""
    there, here = dext.at_provider(slug, resource), dext.parsed(slug, resource)
    return {key for key in there.keys() | here.keys() if there.get(key) != here.get(key)}


def test_an_organisation_reads_both_its_providers_and_sees_nobody_elses(made: MakeEngine) -> None:
    both = made()
    acme, other = both.connect(resources=["xero.tax_rates"], organisations_wanted=2)
    assert both.connect_dext(names=[acme]) == [acme, other]

    outcomes = both.settle()

    assert {outcome.state for outcome in outcomes} <= {"done", "continues"}
    for slug in (acme, other):
        assert {line.resource: line.state for line in both.lines(slug)} == dict.fromkeys(
            ("xero.tax_rates", *RESOURCES), "up to date"
        )
        assert [name for name in RESOURCES if differing(both, slug, name)] == []
    assert not both.stored(acme, ITEMS).keys() & both.stored(other, ITEMS).keys()
    cadences = {line.resource: line.cadence for line in both.lines(acme)}
    assert cadences[ITEMS] == timedelta(hours=1)
    assert {cadences[name] for name in RESOURCES if name != ITEMS} == {timedelta(hours=24)}


@pytest.mark.parametrize("paging", ["cursor", "page", "none"])
@pytest.mark.parametrize("asks", ["for changes", "for all"])
def test_nothing_is_lost_while_items_are_edited_published_and_deleted_under_the_reading(
    made: MakeEngine, paging: str, asks: str
) -> None:
    ours = {"dext_paging": paging, "dext_page_size": 40}
    ours |= {} if asks == "for changes" else {"dext_changed_since_param": "none"}
    dext = made({"paging": paging, "page_size": 40}, **ours)
    acme, other = dext.connect_dext(resources=[ITEMS, SUPPLIERS])
    between = {"endpoint": ITEMS, "skip": 0, "every": 1, "times": 3}
    for action in ("edit", "add", "republish", "unpublish", "delete"):
        for which in ("first", "read"):
            wishes = {} if action == "add" else {"which": which}
            dext.sandbox.edit(dext.accounts[acme], ITEMS, action, after_calls=between, **wishes)

    dext.settle()
    for _ in range(3):  # the first still meets edits between its answers, the last none
        dext.pass_time(timedelta(minutes=61))
        dext.sandbox.advance(3660)
        dext.settle()

    done = [edit for edit in dext.sandbox.armed_edits() if not edit["error"]]
    assert sum(len(edit["ids"]) for edit in done) > 20
    assert (differing(dext, acme), differing(dext, other)) == (set(), set())


def test_what_was_deleted_or_unpublished_is_kept_and_says_so(made: MakeEngine) -> None:
    dext = made()
    acme, _ = dext.connect_dext(resources=[ITEMS])
    dext.settle()
    (deleted,) = dext.sandbox.edit(dext.accounts[acme], ITEMS, "delete")
    (unpublished,) = dext.sandbox.edit(dext.accounts[acme], ITEMS, "unpublish")

    dext.sync(acme, ITEMS)

    assert dext.parsed(acme, ITEMS)[deleted]["status"] == "deleted"
    assert dext.parsed(acme, ITEMS)[unpublished]["publication"] is None
    assert differing(dext, acme) == set()


def test_an_outage_of_one_provider_holds_up_its_own_feeds_alone(made: MakeEngine) -> None:
    at_once = Outage(failures=1, connections=1, probe=timedelta(seconds=30))
    both = made(limits=ROOMY | {"dext": replace(ROOMY["dext"], outage=at_once)})
    (acme,) = both.connect(resources=["xero.tax_rates"], organisations_wanted=1)
    both.connect_dext(resources=[SUPPLIERS], organisations_wanted=1, names=[acme])
    both.sandbox.faults("status", status=503, endpoint=SUPPLIERS, count=20)

    both.settle()  # one provider that is there wakes none of the other's runs
    pressed = both.sync(acme, "xero.tax_rates")

    assert both.line(acme, SUPPLIERS).reason == "provider unavailable"
    assert [outcome.state for outcome in pressed] == ["done"]
    assert both.services.limiter.outage("xero") is None
    assert both.services.limiter.outage("dext") is not None
    both.sandbox.clear_faults()


def test_dext_that_is_not_set_up_says_so_and_leaves_xero_alone(made: MakeEngine) -> None:
    whole = made()
    (acme,) = whole.connect(resources=["xero.tax_rates"], organisations_wanted=1)
    whole.connect_dext(resources=[SUPPLIERS], organisations_wanted=1, names=[acme])
    without = Engine(
        replace(whole.services, providers={"xero": whole.services.provider("xero")}), whole.sandbox
    )

    without.settle()

    assert without.line(acme, "xero.tax_rates").state == "up to date"
    line = without.line(acme, SUPPLIERS)
    assert (line.state, line.reason) == ("retrying", "back-off")
    assert line.error == "dext is not set up here: set LEDGERTIDE_DEXT_BASE_URL."
    without.app.close()


def test_what_this_agreement_does_not_offer_is_off_and_no_trouble(made: MakeEngine) -> None:
    dext = made()
    acme, other = dext.connect_dext(resources=[ITEMS, "dext.projects"])
    body = '{"error": {"code": "feature_unavailable", "message": "Not with this plan."}}'
    dext.sandbox.faults(
        "status", status=403, body=body, endpoint="dext.projects", tenant=dext.accounts[acme], count=1
    )

    dext.settle()

    assert (dext.line(acme, "dext.projects").state, dext.line(acme, ITEMS).state) == ("off", "up to date")
    assert dext.line(other, "dext.projects").state == "up to date"


def test_a_429_that_does_not_say_how_long_pauses_its_own_connection_for_a_minute(made: MakeEngine) -> None:
    dext = made({"retry_after": "none"})
    acme, other = dext.connect_dext(resources=[SUPPLIERS, "dext.projects"])
    dext.sandbox.faults("status", status=429, endpoint=SUPPLIERS, tenant=dext.accounts[acme], count=1)
    before = dext.sandbox.last_call()

    told = [dext.sync(acme, SUPPLIERS)[-1], dext.sync(acme, "dext.projects")[-1]]

    assert [(outcome.state, outcome.reason) for outcome in told] == [("snoozed", "minute limit")] * 2
    with dext.services.database.reading() as tx:
        now = tx.now
    for resource in (SUPPLIERS, "dext.projects"):
        until = dext.line(acme, resource).next_sync_at
        assert until is not None
        assert timedelta(seconds=30) < until - now <= timedelta(seconds=62)
    calls = dext.sandbox.calls(before)
    asked = [call["endpoint"] for call in calls if call["tenant"] == dext.accounts[acme]]
    assert asked.count("dext.projects") == 0
    dext.settle()
    assert dext.line(other, "dext.projects").state == "up to date"


@pytest.mark.alone
@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("style", ["fixed", "rolling"])
def test_reads_and_files_together_use_the_minute_and_are_never_refused(
    start_sandbox: Callable[..., Sandbox], database_url: str, redis_url: str, tmp_path: Path, style: str
) -> None:
    window, most = timedelta(seconds=3), 30  # little enough that a slow machine wants more
    sandbox = start_sandbox(organisations=1, latency_ms=20)
    sandbox.limits("dext", minute=most, minute_window=window.total_seconds(), in_flight=2, style=style)
    limits = {"dext": replace(LIMITS["dext"], minute=most, minute_window=window)}
    folder = tmp_path / "files"
    with engine(sandbox, database_url, redis_url, limits=limits, files_folder=folder) as dext:
        (acme,) = dext.connect_dext(resources=[ITEMS], organisations_wanted=1)
        dext.sync(acme, ITEMS)
        before = sandbox.last_call()

        turned_away = saturate(dext, acme, 2 * window)

    calls = [call for call in sandbox.calls(before) if call["tenant"] == dext.accounts[acme]]
    assert turned_away > 0, "nobody wanted more than was allowed"
    assert [call["status"] for call in calls if call["status"] == 429] == []
    assert {call["endpoint"] for call in calls} >= {SUPPLIERS, "dext.file"}
    assert max(call["in_flight"] for call in calls) == 2
    at = sorted(call["at"] for call in calls)
    fullest = max(bisect_right(at, start + window.total_seconds()) - place for place, start in enumerate(at))
    assert 0.75 * most < fullest <= most, "close to the limit, and never over it"


def saturate(dext: Engine, slug: str, length: timedelta) -> int:
    """Read and fetch from six threads at once; returns how often the limiter turned one away."""
    with dext.services.database.reading() as tx:
        (link,) = organisations.links(tx, organisations.find(tx, slug).id)
    token = dext.services.tokens.valid(link.grant_id).access_token
    access = Access(Account("dext", link.id), token, link.tenant_id)
    connector = dext.services.provider("dext").connector
    ends_at = time.monotonic() + length.total_seconds()
    turned_away: list[str] = []
    files_begun = threading.Event()  # they leave calls to the others, who would leave none to them

    def read(call_class: CallClass) -> None:
        files_begun.wait()
        while time.monotonic() < ends_at:
            try:
                connector.read(SUPPLIERS, connector.begin(SUPPLIERS, None), access, call_class, lambda: None)
            except RateLimitedError as error:
                turned_away.append(error.reason)
                time.sleep(min(error.wait.total_seconds(), 0.1))

    def files() -> None:
        while time.monotonic() < ends_at:
            ended_by = fetch(dext.services, link.id).ended_by
            files_begun.set()
            if ended_by:
                time.sleep(0.05)

    work = [(read, CallClass.SCHEDULED)] * 2 + [(read, CallClass.PRESS)] * 2
    threads = [threading.Thread(target=each, args=(kind,)) for each, kind in work]
    threads += [threading.Thread(target=files) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(turned_away)
