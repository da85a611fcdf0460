"""P13: organisations whose records bear the same ids never see, change or delay one another's."""

from typing import Any

import pytest
from sqlalchemy import select

from store import events, history, organisations, records, rejects, status, vanished
from store.database import Database
from store.models import candidates, metadata
from store.organisations import Organisation
from store.tables import table_of
from sync.services import SHAPES
from tests.integration.engine import Engine

CONTACTS, TAX_RATES = "xero.contacts", "xero.tax_rates"
RESOURCES = [CONTACTS, TAX_RATES]
SHARED = 12


def test_records_of_the_same_id_stay_two(whole_engine: Engine) -> None:
    one, other = twins(whole_engine)
    shared = shared_ids(whole_engine, one, other)

    assert len(shared) >= SHARED
    ours, theirs = whole_engine.parsed(one, CONTACTS), whole_engine.parsed(other, CONTACTS)
    assert [key for key in shared if ours[key] == theirs[key]] == []
    assert (ours, theirs) == tuple(whole_engine.at_provider(slug, CONTACTS) for slug in (one, other))
    for slug in (one, other):
        assert whole_engine.runs(slug, CONTACTS)[0].added == len(whole_engine.stored(slug, CONTACTS))
    rates = [whole_engine.stored(slug, TAX_RATES).keys() for slug in (one, other)]
    assert rates[0] & rates[1]
    for slug in (one, other):
        assert whole_engine.parsed(slug, TAX_RATES) == whole_engine.at_provider(slug, TAX_RATES)


def test_an_edit_of_one_is_neither_stored_nor_told_for_the_other(whole_engine: Engine) -> None:
    one, other = twins(whole_engine)
    there = whole_engine.at_provider(one, CONTACTS)
    shared = sorted(
        key for key in shared_ids(whole_engine, one, other) if there[key]["ContactStatus"] == "ACTIVE"
    )
    before = view(whole_engine, other)
    sequence = newest_event(whole_engine, one)

    whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "edit", ids=shared[:3])
    whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "archive", ids=shared[3:5])
    whole_engine.sync(one, CONTACTS)

    told = look(whole_engine, one, lambda scope: list(events.read(scope, after=sequence)))
    assert {(event.kind, key) for event in told for key in event.ids} == {
        *(("changed", key) for key in shared[:3]),
        *(("archived", key) for key in shared[3:5]),
    }
    assert {event.organisation_id for event in told} == {organisation(whole_engine, one).id}
    assert [event.sequence for event in told] == [sequence + 1, sequence + 2]
    assert view(whole_engine, other) == before


def test_whatever_happens_to_one_organisation_the_other_sees_nothing_of_it(whole_engine: Engine) -> None:
    one, other = twins(whole_engine)
    sandbox, tenant = whole_engine.sandbox, whole_engine.tenants[one]
    shared = sorted(shared_ids(whole_engine, one, other))
    before = view(whole_engine, other)

    sandbox.edit(tenant, CONTACTS, "edit", ids=shared[:1], poison="nul")
    sandbox.edit(tenant, CONTACTS, "silent", count=30)
    sandbox.edit(tenant, CONTACTS, "remove", count=60, which="first")
    for _ in range(2):
        whole_engine.sync(one, CONTACTS, full=True)
    assert whole_engine.line(one, CONTACTS).vanish_held
    sandbox.faults("status", status=500, endpoint="TaxRates", tenant=tenant, count=3)
    whole_engine.sync(one, TAX_RATES)
    assert whole_engine.line(one, TAX_RATES).reason == "back-off"
    sandbox.faults("tenant_removed", tenant=tenant)
    whole_engine.sync(one, CONTACTS)
    assert {line.reason for line in whole_engine.lines(one)} == {"access removed"}

    assert view(whole_engine, other) == before


def test_what_is_gone_in_one_stays_in_the_other(whole_engine: Engine) -> None:
    one, other = twins(whole_engine)
    shared = sorted(shared_ids(whole_engine, one, other))[:4]
    whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "remove", ids=shared)

    for _ in range(2):
        whole_engine.sync(one, CONTACTS, full=True)

    assert set(shared) & whole_engine.stored(one, CONTACTS).keys() == set()
    assert set(shared) <= whole_engine.stored(other, CONTACTS).keys()
    assert whole_engine.parsed(other, CONTACTS) == whole_engine.at_provider(other, CONTACTS)


def test_nobody_decides_about_anothers_vanished_records(whole_engine: Engine) -> None:
    one, other = twins(whole_engine)
    whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "remove", count=60)
    for _ in range(2):
        whole_engine.sync(one, CONTACTS, full=True)
    assert whole_engine.line(one, CONTACTS).vanish_held == 60
    feed_id = whole_engine.feed_id(one, CONTACTS)

    with whole_engine.services.database.transaction() as tx:
        ours = organisations.find(tx, one)
        (link,) = organisations.links(tx, ours.id)
        stranger = tx.scope(organisations.find(tx, other).id)
        shape = SHAPES[CONTACTS]
        assert vanished.held(stranger, feed_id) == []
        assert vanished.apply(stranger, shape, feed_id=feed_id, connection_id=link.id, actor="eve") == []
        assert vanished.dismiss(stranger, shape, feed_id=feed_id, actor="eve") == []

    assert whole_engine.line(one, CONTACTS).vanish_held == 60
    assert len(whole_engine.stored(one, CONTACTS)) == 180


def test_a_receipt_a_run_and_a_reject_are_shown_to_their_organisation_only(whole_engine: Engine) -> None:
    one, other = twins(whole_engine)
    whole_engine.sandbox.edit(whole_engine.tenants[one], CONTACTS, "edit", poison="nul")
    press = whole_engine.press(one, CONTACTS)
    whole_engine.work(list(press.messages))
    feed_id = whole_engine.feed_id(one, CONTACTS)

    assert look(whole_engine, one, lambda scope: status.press_state(scope, press.id)).done
    with pytest.raises(LookupError):
        look(whole_engine, other, lambda scope: status.press_state(scope, press.id))
    assert len(look(whole_engine, one, lambda scope: rejects.of_feed(scope, feed_id))) == 1
    assert look(whole_engine, other, lambda scope: rejects.of_feed(scope, feed_id)) == []
    for slug in (one, other):
        shown = look(whole_engine, slug, history.run_lines)
        assert shown
        assert {line.organisation for line in shown} == {slug}
        assert {line.organisation for line in whole_engine.lines(slug)} == {slug}


def test_every_look_through_a_scope_names_its_organisation(database_url: str) -> None:
    database = Database(database_url)
    owned = [table for table in metadata.tables.values() if "organisation_id" in table.c]
    owned += [table_of(shape) for shape in SHAPES.values()]
    assert len(owned) >= 15

    with database.reading() as tx:
        with pytest.raises(ValueError, match="needs an organisation"):
            tx.scope("")
        for table in owned:
            query = tx.scope("an organisation").select(table)
            wanted = query.compile(compile_kwargs={"literal_binds": True})
            assert f"{table.name}.organisation_id = 'an organisation'" in str(wanted).replace('"', "")
        with pytest.raises(AttributeError):
            tx.scope("an organisation").select(metadata.tables["grants"])
    database.close()


# --- what the tests above say in their own words ------------------------------------------------------


def twins(made: Engine) -> list[str]:
    """Two organisations, up to date, some of whose contacts bear the same ids and differ in all else."""
    one, other = slugs = made.connect(resources=RESOURCES)
    for key in list(made.at_provider(one, CONTACTS))[-SHARED:]:
        made.sandbox.edit(made.tenants[other], CONTACTS, "add", fields={"ContactID": key})
    made.settle()
    return slugs


def shared_ids(made: Engine, one: str, other: str) -> set[str]:
    return set(made.stored(one, CONTACTS).keys() & made.stored(other, CONTACTS).keys())


def organisation(made: Engine, slug: str) -> Organisation:
    with made.services.database.reading() as tx:
        return organisations.find(tx, slug)


def newest_event(made: Engine, slug: str) -> int:
    return int(look(made, slug, events.newest))


def look(made: Engine, slug: str, act: Any) -> Any:
    """Look at what one organisation may see."""
    with made.services.database.reading() as tx:
        return act(tx.scope(organisations.find(tx, slug).id))


def view(made: Engine, slug: str) -> dict[str, Any]:
    """All that one organisation can see."""
    with made.services.database.reading() as tx:
        scope = tx.scope(organisations.find(tx, slug).id)
        feed_ids = [made.feed_id(slug, resource, tx=tx) for resource in RESOURCES]
        return {
            "lines": status.lines(scope),
            "records": [list(records.read(scope, SHAPES[resource], gone=True)) for resource in RESOURCES],
            "events": list(events.read(scope)),
            "newest": events.newest(scope),
            "runs": history.run_lines(scope),
            "rejects": [rejects.of_feed(scope, feed_id) for feed_id in feed_ids],
            "held": [vanished.held(scope, feed_id) for feed_id in feed_ids],
            "candidates": list(scope.tx.execute(scope.select(candidates))),
            "links": organisations.links(tx, scope.organisation_id),
            "stored": [
                sorted(
                    tuple(row)
                    for row in tx.execute(
                        select(table.c.id, table.c.hash, table.c.fence, table.c.changed_at).where(
                            table.c.organisation_id == scope.organisation_id
                        )
                    )
                )
                for table in (table_of(SHAPES[resource]) for resource in RESOURCES)
            ],
        }
