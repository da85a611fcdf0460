"""A feed that is off makes no call, and goes on from where it was when it is on again."""

from datetime import timedelta

from store import organisations
from store.switches import switch
from tests.integration.engine import Engine

CONTACTS, JOURNALS = "xero.contacts", "xero.journals"


def turn(engine: Engine, slug: str, resource: str, *, on: bool) -> None:
    with engine.services.database.transaction() as tx:
        switch(tx, organisations.find(tx, slug), resource, on=on, actor="test")


def test_no_call_goes_out_once_it_is_off_whatever_was_under_way(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[CONTACTS], organisations_wanted=1)
    whole_engine.sandbox.faults("status", status=503, count=3)
    whole_engine.settle()
    assert whole_engine.line(slug, CONTACTS).reason == "back-off"

    turn(whole_engine, slug, CONTACTS, on=False)
    before = whole_engine.sandbox.last_call()
    for _ in range(3):
        whole_engine.pass_time(timedelta(hours=2))
        whole_engine.settle()
    line = whole_engine.line(slug, CONTACTS)
    assert (line.state, line.reason, line.next_sync_at, line.is_late) == ("off", "off", None, False)
    assert whole_engine.sandbox.calls(after=before) == []

    turn(whole_engine, slug, CONTACTS, on=True)
    whole_engine.settle()
    assert whole_engine.line(slug, CONTACTS).state == "up to date"
    assert whole_engine.parsed(slug, CONTACTS) == whole_engine.at_provider(slug, CONTACTS)


def test_what_is_off_by_default_or_by_hand_stays_off_when_its_organisation_reconnects(
    whole_engine: Engine,
) -> None:
    (slug,) = whole_engine.connect(resources=[CONTACTS, JOURNALS], organisations_wanted=1)
    turn(whole_engine, slug, CONTACTS, on=False)

    whole_engine.connect(resources=[CONTACTS, JOURNALS], organisations_wanted=1)
    whole_engine.settle()

    assert {line.resource: line.state for line in whole_engine.lines(slug)} == {
        CONTACTS: "off",
        JOURNALS: "off",
    }
    turn(whole_engine, slug, JOURNALS, on=True)
    whole_engine.settle()
    assert whole_engine.parsed(slug, JOURNALS) == whole_engine.at_provider(slug, JOURNALS)
