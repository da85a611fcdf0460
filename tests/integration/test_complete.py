"""P2: after a run the store equals the provider, however long the list and whatever breaks the run off.

What holds for every list alone is in test_every_list.py.
"""

import pytest

from connectors.xero import ENDPOINTS
from sandbox.testing import Sandbox
from tests.integration.engine import Engine

# The fifth organisation of the sandbox's grants has hundreds of everything, the third thousands.
MANY, THOUSANDS = 4, 2


def test_every_list_that_is_on_is_stored_as_the_provider_has_it(whole_engine: Engine) -> None:
    one, other = whole_engine.connect()

    whole_engine.settle()

    for slug in (one, other):
        for endpoint in ENDPOINTS:
            there = {} if endpoint.off else whole_engine.at_provider(slug, endpoint.resource)
            assert whole_engine.parsed(slug, endpoint.resource) == there, (slug, endpoint.resource)


@pytest.mark.parametrize("resource", ["xero.contacts", "xero.invoices"])
def test_pages_of_a_thousand_lose_nothing_either(shared_engine: Engine, resource: str) -> None:
    slug, other = connect_many(shared_engine, resource, which=THOUSANDS, size=1000)
    tenant = shared_engine.tenants[slug]

    edits = arm_edits(shared_engine.sandbox, tenant, resource, times=2)
    shared_engine.sync(slug, resource)

    assert_all_done(shared_engine.sandbox, edits)
    assert len(shared_engine.stored(slug, resource)) > 2000
    assert_equal(shared_engine, slug, resource)
    assert shared_engine.stored(other, resource) == {}


def test_a_run_may_be_broken_off_after_any_page_and_loses_nothing(shared_engine: Engine) -> None:
    slug, _ = connect_many(shared_engine, "xero.invoices")
    tenant = shared_engine.tenants[slug]
    shared_engine.sandbox.faults("status", status=503, endpoint="Invoices", tenant=tenant, count=30, skip=2)
    edits = arm_edits(shared_engine.sandbox, tenant, "xero.invoices")

    broken_off = shared_engine.sync(slug, "xero.invoices")
    shared_engine.sandbox.clear_faults()
    shared_engine.sandbox.edit(tenant, "xero.invoices", "edit", count=60, which="first")
    gone_on = shared_engine.sync(slug, "xero.invoices")

    assert [outcome.reason for outcome in broken_off] == ["back-off"]
    # The run goes on from its cursor; one more follows, since the press came after its first read.
    assert [outcome.state for outcome in gone_on] == ["done", "done"]
    assert_all_done(shared_engine.sandbox, edits)
    assert_equal(shared_engine, slug, "xero.invoices")


# --- what the tests above say in their own words -----------------------------------------------------


def connect_many(made: Engine, resource: str, *, which: int = MANY, size: int = 100) -> tuple[str, str]:
    """An organisation with many records and another one, with pages of this size."""
    made.sandbox.since("exclusive")
    other, slug = made.connect(resources=[resource], which=(0, which))
    made.pages_of(resource, size)
    return slug, other


def arm_edits(sandbox: Sandbox, tenant: str, resource: str, *, times: int = 2) -> int:
    """Edit, restamp and add records after each of the next list answers; returns how many edits that is."""
    after = {"times": times}
    sandbox.edit(tenant, resource, "edit", count=7, which="read", after_calls=after)
    sandbox.edit(tenant, resource, "edit", count=3, which="random", after_calls=after)
    sandbox.edit(tenant, resource, "edit", count=3, which="first", after_calls=after)
    sandbox.edit(tenant, resource, "add", count=2, after_calls=after)
    return 4


def assert_all_done(sandbox: Sandbox, edits: int) -> None:
    """The edits were all made between pages, none after the last one: so the run has to show them all."""
    latest = sandbox.armed_edits()[-edits:]
    assert [(armed["error"], armed["times"] - armed["done"]) for armed in latest] == [(None, 0)] * edits


def assert_equal(made: Engine, slug: str, resource: str) -> None:
    """The store holds what the provider has: none missing, none stale, none too many, digit for digit."""
    stored, there = made.parsed(slug, resource), made.at_provider(slug, resource)
    assert there.keys() - stored.keys() == set(), "missing"
    assert stored.keys() - there.keys() == set(), "extra"
    assert [key for key in there if stored[key] != there[key]] == [], "stale"
