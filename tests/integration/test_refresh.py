"""One record is read again alone: at once, by one call, in order with the reads of its list."""

from datetime import timedelta
from typing import Any

import pytest

from store import presses, runs, status
from store.models import presses as press_rows
from store.switches import switch
from sync.run import run_slice
from tasks import enqueue
from tasks.enqueue import SyncRefusedError
from tests.integration.engine import Engine

INVOICES, CONTACTS = "xero.invoices", "xero.contacts"
NOBODY = "00000000-0000-4000-8000-000000000000"


def refresh(engine: Engine, slug: str, resource: str, record_id: str, **wishes: Any) -> presses.Press:
    return enqueue.press(engine.app, slug, resource, by="test", record_id=record_id, **wishes)


def state_of(engine: Engine, slug: str, press: presses.Press) -> status.PressState:
    with engine.services.database.reading() as tx:
        organisation_id = tx.execute(press_rows.select().where(press_rows.c.id == press.id)).one()
        return status.press_state(tx.scope(organisation_id.organisation_id), press.id)


def calls_since(engine: Engine, number: int) -> list[str]:
    return [call["path"] for call in engine.sandbox.calls(after=number) if call["tenant"]]


def test_one_call_brings_one_record_up_to_date_and_leaves_the_list_alone(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=[INVOICES])
    whole_engine.settle()
    (edited,) = whole_engine.sandbox.edit(whole_engine.tenants[one], INVOICES, "silent")
    before, last_call = whole_engine.feed(one, INVOICES), whole_engine.sandbox.last_call()

    press = refresh(whole_engine, one, INVOICES, edited)
    outcomes = whole_engine.work(list(press.messages))

    assert [outcome.state for outcome in outcomes] == ["done"]
    assert calls_since(whole_engine, last_call) == [f"/api.xro/2.0/Invoices/{edited}"]
    assert state_of(whole_engine, one, press) == status.PressState(True, "done", None, None, None)
    stored, there = whole_engine.parsed(one, INVOICES), whole_engine.at_provider(one, INVOICES)
    assert stored[edited] == there[edited]
    after = whole_engine.feed(one, INVOICES)
    assert (after.due_at, after.last_success_at, after.newest_at, after.served) == (
        before.due_at,
        before.last_success_at,
        before.newest_at,
        before.served,
    )
    run = whole_engine.runs(one, INVOICES)[-1]
    assert (run.cause, run.lane, run.calls, run.changed, run.pages) == ("record", "now", 1, 1, 0)
    assert whole_engine.runs(other, INVOICES)[-1].cause != "record"


def test_the_slice_that_reads_next_takes_it_along(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[INVOICES], organisations_wanted=1)
    whole_engine.settle()
    (edited,) = whole_engine.sandbox.edit(whole_engine.tenants[slug], INVOICES, "silent")
    whole_engine.pass_time(timedelta(hours=1))
    (message,) = whole_engine.tick()
    press = refresh(whole_engine, slug, INVOICES, edited)

    outcomes = whole_engine.work(list(press.messages))

    assert [outcome.state for outcome in outcomes] == ["done"]
    assert whole_engine.work([message]) == []
    run = whole_engine.runs(slug, INVOICES)[-1]
    assert (run.cause, run.lane, run.calls, run.pages) == ("schedule", "now", 2, 1)
    assert state_of(whole_engine, slug, press).done
    assert whole_engine.parsed(slug, INVOICES) == whole_engine.at_provider(slug, INVOICES)


def test_asked_for_while_a_run_reads_it_is_read_right_after(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[INVOICES], organisations_wanted=1)
    whole_engine.settle()
    claim = whole_engine.claim(whole_engine.press(slug, INVOICES).messages[0])
    assert claim
    (edited,) = whole_engine.sandbox.edit(whole_engine.tenants[slug], INVOICES, "silent")
    press = refresh(whole_engine, slug, INVOICES, edited)
    assert press.messages == ()

    first = run_slice(whole_engine.services, claim)
    assert not state_of(whole_engine, slug, press).done
    (then,) = whole_engine.work(list(first.messages))

    assert (first.state, then.state) == ("done", "done")
    assert [run.cause for run in whole_engine.runs(slug, INVOICES)[-2:]] == ["press", "record"]
    assert state_of(whole_engine, slug, press).done
    assert whole_engine.parsed(slug, INVOICES) == whole_engine.at_provider(slug, INVOICES)


def test_a_press_that_comes_meanwhile_is_answered_by_a_read_of_the_list(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[INVOICES], organisations_wanted=1)
    whole_engine.settle()
    (edited,) = whole_engine.sandbox.edit(whole_engine.tenants[slug], INVOICES, "silent")
    claim = whole_engine.claim(refresh(whole_engine, slug, INVOICES, edited).messages[0])
    assert claim
    whole_engine.sandbox.edit(whole_engine.tenants[slug], INVOICES, "edit", count=3)
    whole_engine.press(slug, INVOICES)

    outcomes = [run_slice(whole_engine.services, claim)]
    outcomes += whole_engine.work(list(outcomes[0].messages))

    assert [outcome.state for outcome in outcomes] == ["done", "done"]
    feed = whole_engine.feed(slug, INVOICES)
    assert feed.served == feed.asked == 1
    assert whole_engine.parsed(slug, INVOICES) == whole_engine.at_provider(slug, INVOICES)


def test_what_the_provider_does_not_know_is_refused_and_nothing_is_gone(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=[INVOICES])
    whole_engine.settle()
    (removed,) = whole_engine.sandbox.edit(whole_engine.tenants[one], INVOICES, "remove")
    of_another = next(iter(whole_engine.stored(other, INVOICES)))
    stored = whole_engine.stored(one, INVOICES)

    for record_id in (removed, of_another, NOBODY, "../Contacts", "a b?c#d%2f", ".x"):
        press = refresh(whole_engine, one, INVOICES, record_id)
        assert [outcome.state for outcome in whole_engine.work(list(press.messages))] == ["done"]
        state = state_of(whole_engine, one, press)
        assert (state.done, state.state) == (True, "refused")
        assert state.error
        assert state.error.startswith("The provider")

    assert whole_engine.stored(one, INVOICES) == stored
    line = whole_engine.line(one, INVOICES)
    assert (line.state, line.reason, line.error) == ("up to date", None, None)


@pytest.mark.parametrize("status", [500, 403, 404, 400])
def test_a_record_that_the_provider_fails_at_is_no_trouble_of_its_list(
    whole_engine: Engine, status: int
) -> None:
    (slug,) = whole_engine.connect(resources=[INVOICES], organisations_wanted=1)
    whole_engine.settle()
    (edited,) = whole_engine.sandbox.edit(whole_engine.tenants[slug], INVOICES, "silent")
    whole_engine.sandbox.faults("status", status=status, count=3 if status == 500 else 1)
    whole_engine.pass_time(timedelta(hours=1))
    press = refresh(whole_engine, slug, INVOICES, edited)

    whole_engine.work(list(press.messages))
    whole_engine.settle()

    state = state_of(whole_engine, slug, press)
    assert (state.done, state.state) == (True, "refused")
    assert state.error
    line = whole_engine.line(slug, INVOICES)
    assert (line.state, line.reason, line.error, line.is_late) == ("up to date", None, None, False)
    assert whole_engine.feed(slug, INVOICES).failures == 0


def test_it_waits_for_what_stops_every_call_and_is_answered_then(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[INVOICES], organisations_wanted=1)
    whole_engine.settle()
    (edited,) = whole_engine.sandbox.edit(whole_engine.tenants[slug], INVOICES, "silent")
    whole_engine.sandbox.faults("status", status=429, count=1, headers={"Retry-After": "30"})
    press = refresh(whole_engine, slug, INVOICES, edited)

    whole_engine.work(list(press.messages))
    state = state_of(whole_engine, slug, press)
    assert (state.done, state.state, state.reason) == (False, "snoozed", "minute limit")


def test_an_import_that_waits_for_the_reserve_stays_behind_it(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[CONTACTS, INVOICES], organisations_wanted=1)
    whole_engine.work(whole_engine.tick())
    contact = next(iter(whole_engine.stored(slug, CONTACTS)))
    feed = whole_engine.feed(slug, CONTACTS)
    with whole_engine.services.database.transaction() as tx:
        message = runs.open_due(tx, feed.id, full=True)
    assert message
    claim = whole_engine.claim(message)
    assert claim
    assert not claim.is_press
    with whole_engine.services.database.transaction() as tx:
        runs.snooze(tx, claim, wait=timedelta(hours=5), reason="day reserve")

    press = refresh(whole_engine, slug, CONTACTS, contact)
    (again,) = press.messages
    then = whole_engine.claim(again)

    assert again.lane == "now"
    assert then
    assert (then.is_press, [each.record_id for each in then.records]) == (False, [contact])
    with whole_engine.services.database.transaction() as tx:
        presses.answer(tx, [press.id])
        rest = runs.release(tx, then)
    assert rest
    assert rest.lane == "sync"


def test_many_records_do_not_keep_their_list_waiting(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[CONTACTS], organisations_wanted=1)
    whole_engine.settle()
    wanted = list(whole_engine.stored(slug, CONTACTS))[:25]
    asked = [refresh(whole_engine, slug, CONTACTS, each) for each in wanted]
    whole_engine.pass_time(timedelta(hours=2))

    (first, *_) = asked[0].messages
    outcomes = whole_engine.work([first])

    assert {outcome.state for outcome in outcomes} == {"done"}
    assert all(state_of(whole_engine, slug, press).done for press in asked)
    causes = [(run.cause, run.pages) for run in whole_engine.runs(slug, CONTACTS)[1:]]
    assert causes == [("record", 0), ("schedule", 1), ("record", 0)]


def test_a_worker_killed_in_the_middle_leaves_it_to_the_next(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[INVOICES], organisations_wanted=1)
    whole_engine.settle()
    (edited,) = whole_engine.sandbox.edit(whole_engine.tenants[slug], INVOICES, "silent")
    press = refresh(whole_engine, slug, INVOICES, edited)
    assert whole_engine.claim(press.messages[0])  # and nobody ever hears of this worker again

    whole_engine.pass_time(timedelta(minutes=1))
    whole_engine.settle()

    assert state_of(whole_engine, slug, press).done
    assert whole_engine.parsed(slug, INVOICES) == whole_engine.at_provider(slug, INVOICES)


def test_the_same_key_asks_once_and_what_cannot_be_asked_alone_is_refused(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[CONTACTS, "xero.organisations"], organisations_wanted=1)
    whole_engine.settle()
    contact = next(iter(whole_engine.stored(slug, CONTACTS)))

    asked = [refresh(whole_engine, slug, CONTACTS, contact, idempotency_key="k") for _ in range(3)]

    assert len({press.id for press in asked}) == 1
    with pytest.raises(SyncRefusedError, match="was used for another press"):
        refresh(whole_engine, slug, CONTACTS, NOBODY, idempotency_key="k")
    for dots in (".", ".."):
        with pytest.raises(SyncRefusedError, match="No record has the id"):
            refresh(whole_engine, slug, CONTACTS, dots)
    with pytest.raises(SyncRefusedError, match="use sync-now"):
        refresh(whole_engine, slug, "xero.organisations", "x")
    with pytest.raises(SyncRefusedError, match="1 to 255"):
        refresh(whole_engine, slug, CONTACTS, "")
    with whole_engine.services.database.transaction() as tx:
        found = enqueue.organisations.find(tx, slug)
        switch(tx, found, CONTACTS, on=False, actor="test")
    with pytest.raises(SyncRefusedError, match="Somebody switched it off"):
        refresh(whole_engine, slug, CONTACTS, contact)
