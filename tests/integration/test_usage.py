"""Calls and bytes are counted per organisation and day, those that brought nothing included."""

from collections import Counter
from datetime import timedelta

from store import organisations, usage
from store.database import Scope, Transaction
from store.usage import DayLine
from tests.integration.engine import Engine
from tests.integration.workers import wait_until

LISTS = ["xero.contacts", "xero.invoices", "xero.tax_rates", "xero.linked_transactions"]


def begin_at_noon(engine: Engine) -> None:
    """So that no test meets the end of a day (UTC) by chance."""
    with engine.services.database.reading() as tx:
        now = tx.now
    engine.pass_time((now.replace(hour=12, minute=0) - now) % timedelta(days=1))


def lines(engine: Engine) -> list[DayLine]:
    with engine.services.database.reading() as tx:
        return usage.all_lines(tx, days=7)


def at_provider(engine: Engine) -> dict[str, int]:
    """The data calls that the provider saw, by organisation."""
    slugs = {tenant: slug for slug, tenant in engine.tenants.items()}
    return dict(Counter(slugs[call["tenant"]] for call in engine.sandbox.calls() if call["tenant"]))


def test_every_call_is_counted_on_its_organisation_and_day_whatever_came_of_it(
    whole_engine: Engine,
) -> None:
    begin_at_noon(whole_engine)
    one, _ = whole_engine.connect(resources=LISTS)
    tenant = whole_engine.tenants[one]
    whole_engine.sandbox.faults("status", status=503, tenant=tenant, count=4)
    whole_engine.sandbox.faults("status", status=429, tenant=tenant, count=1, skip=6)
    whole_engine.settle()
    whole_engine.pass_time(timedelta(minutes=5))
    whole_engine.settle()
    whole_engine.sandbox.advance(1801)  # the access tokens run out
    # What the refusals above have paused goes by the time of Redis.
    wait_until(lambda: 401 in read_all(whole_engine, one), "a call with a token that has run out")

    counted = {line.organisation: line.calls for line in lines(whole_engine)}
    assert counted == at_provider(whole_engine)
    assert {call["status"] for call in whole_engine.sandbox.calls()} >= {429, 503, 401}
    mine = [run for resource in LISTS for run in whole_engine.runs(one, resource)]
    assert sum(run.calls for run in mine) == counted[one]
    assert sum(run.bytes for run in mine) == next(
        x.bytes for x in lines(whole_engine) if x.organisation == one
    )


def read_all(engine: Engine, slug: str) -> set[int]:
    """What the calls for it were answered by."""
    last = engine.sandbox.last_call()
    engine.settle()
    for resource in LISTS:
        engine.sync(slug, resource)
    return {call["status"] for call in engine.sandbox.calls(last)}


def test_a_day_is_a_day_in_utc_and_nobody_sees_anothers(whole_engine: Engine) -> None:
    begin_at_noon(whole_engine)
    one, other = whole_engine.connect(resources=["xero.tax_rates"])
    whole_engine.settle()
    whole_engine.pass_time(timedelta(days=1))
    whole_engine.settle()

    found = lines(whole_engine)
    assert Counter(line.organisation for line in found) == {one: 2, other: 2}
    assert found[0].day - found[-1].day == timedelta(days=1)
    with whole_engine.services.database.reading() as tx:
        assert {line.organisation for line in usage.lines(scope_of(tx, one), days=7)} == {one}
        assert len(usage.lines(scope_of(tx, one), days=1)) == 1


def scope_of(tx: Transaction, slug: str) -> Scope:
    return tx.scope(organisations.find(tx, slug).id)
