"""P2: after a run the store equals the provider, also when records are edited while they are paged."""

from collections.abc import Iterator, Sequence

import pytest

from connectors.xero import ENDPOINTS
from sandbox.testing import Sandbox
from tests.integration.engine import ROOMY, Engine, engine

PAGED = [each.resource for each in ENDPOINTS if each.paging in {"seek", "backward"}]
READINGS = ["inclusive", "exclusive"]
# The fifth organisation of the sandbox's grants has hundreds of everything, the third thousands.
MANY, THOUSANDS = 4, 2


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=5, seed=11) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    """The module's one sandbox, calm again: each test compares with what is there at its end."""
    shared_sandbox.calm()
    return shared_sandbox


@pytest.fixture
def roomy_engine(sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    with engine(sandbox, database_url, redis_url, limits=ROOMY) as made:
        yield made


@pytest.mark.parametrize("reading", READINGS)
def test_every_list_is_stored_as_the_provider_has_it(whole_engine: Engine, reading: str) -> None:
    whole_engine.sandbox.since(reading)
    one, other = whole_engine.connect()

    whole_engine.settle()

    for slug in (one, other):
        for endpoint in ENDPOINTS:
            stored = whole_engine.parsed(slug, endpoint.resource)
            assert stored == whole_engine.at_provider(slug, endpoint.resource), (slug, endpoint.resource)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("resource", PAGED)
def test_nothing_is_lost_of_a_list_that_changes_while_it_is_read(
    roomy_engine: Engine, resource: str, reading: str
) -> None:
    slug, other = connect_many(roomy_engine, resource, reading)
    sandbox, tenant = roomy_engine.sandbox, roomy_engine.tenants[slug]
    # Long enough that every armed edit comes between two pages, and none after the last one.
    sandbox.edit(tenant, resource, "add", count=max(200, 550 - len(sandbox.dump(tenant, resource))))

    # The first import: records already read, unread ones and new ones, between any two pages.
    edits = arm_edits(sandbox, tenant, resource)
    roomy_engine.sync(slug, resource)

    assert_all_done(sandbox, edits)
    assert_equal(roomy_engine, slug, resource)

    # A later read, of more records changed within one second than three pages hold; some show later.
    sandbox.advance(3600)
    late = sandbox.edit(tenant, resource, "add", count=20, visible_after=270)
    late += sandbox.edit(tenant, resource, "edit", count=20, which="first", visible_after=270)
    sandbox.advance(200)
    burst = [key for key in roomy_engine.at_provider(slug, resource) if key not in late][:250]
    sandbox.edit(tenant, resource, "edit", ids=burst, same_second=True)
    sandbox.edit(tenant, resource, "add", count=50, same_second=True)
    edits = arm_edits_among(sandbox, tenant, resource, burst)
    roomy_engine.sync(slug, resource)

    assert_all_done(sandbox, edits)
    assert_equal(roomy_engine, slug, resource)
    before = roomy_engine.stored(slug, resource)

    # Up to 5 minutes after their stamp they become visible, behind the records that were read meanwhile.
    sandbox.advance(71)
    roomy_engine.sync(slug, resource)

    after = roomy_engine.stored(slug, resource)
    assert [key for key in late if before.get(key) == after.get(key)] == []
    assert_equal(roomy_engine, slug, resource)
    assert roomy_engine.stored(other, resource) == {}


@pytest.mark.parametrize("resource", ["xero.contacts", "xero.invoices"])
def test_pages_of_a_thousand_lose_nothing_either(roomy_engine: Engine, resource: str) -> None:
    slug, other = connect_many(roomy_engine, resource, "exclusive", which=THOUSANDS, size=1000)
    tenant = roomy_engine.tenants[slug]

    edits = arm_edits(roomy_engine.sandbox, tenant, resource, times=2)
    roomy_engine.sync(slug, resource)

    assert_all_done(roomy_engine.sandbox, edits)
    assert len(roomy_engine.stored(slug, resource)) > 2000
    assert_equal(roomy_engine, slug, resource)
    assert roomy_engine.stored(other, resource) == {}


def test_a_run_may_be_broken_off_after_any_page_and_loses_nothing(roomy_engine: Engine) -> None:
    slug, _ = connect_many(roomy_engine, "xero.invoices", "exclusive")
    tenant = roomy_engine.tenants[slug]
    roomy_engine.sandbox.faults("status", status=503, endpoint="Invoices", tenant=tenant, count=30, skip=2)
    edits = arm_edits(roomy_engine.sandbox, tenant, "xero.invoices")

    broken_off = roomy_engine.sync(slug, "xero.invoices")
    roomy_engine.sandbox.clear_faults()
    roomy_engine.sandbox.edit(tenant, "xero.invoices", "edit", count=60, which="first")
    gone_on = roomy_engine.sync(slug, "xero.invoices")

    assert [outcome.reason for outcome in broken_off] == ["back-off"]
    # The run goes on from its cursor; one more follows, since the press came after its first read.
    assert [outcome.state for outcome in gone_on] == ["done", "done"]
    assert_all_done(roomy_engine.sandbox, edits)
    assert_equal(roomy_engine, slug, "xero.invoices")


# --- what the tests above say in their own words -----------------------------------------------------


def connect_many(
    made: Engine, resource: str, reading: str, *, which: int = MANY, size: int = 100
) -> tuple[str, str]:
    """An organisation with many records and another one, with short pages of this resource."""
    made.sandbox.since(reading)
    slugs = made.connect(resources=[resource], organisations_wanted=which + 1)
    if made.services.xero.endpoints[resource].asks_page_size:
        made.pages_of(resource, size)
    return slugs[which], slugs[0]


def arm_edits(sandbox: Sandbox, tenant: str, resource: str, *, times: int = 2) -> int:
    """Edit, restamp and add records after each of the next list answers; returns how many edits that is."""
    after = {"times": times}
    sandbox.edit(tenant, resource, "edit", count=7, which="read", after_calls=after)
    sandbox.edit(tenant, resource, "edit", count=3, which="random", after_calls=after)
    sandbox.edit(tenant, resource, "edit", count=3, which="first", after_calls=after)
    sandbox.edit(tenant, resource, "add", count=2, after_calls=after)
    return 4


def arm_edits_among(sandbox: Sandbox, tenant: str, resource: str, ids: Sequence[str]) -> int:
    """Edit some of these after each of the next four list answers, the first ones first; returns how many."""
    for skip in range(4):
        some = [*ids[20 * skip : 20 * skip + 20], *ids[100 + 10 * skip : 110 + 10 * skip]]
        sandbox.edit(tenant, resource, "edit", ids=some, after_calls={"skip": skip})
        sandbox.edit(tenant, resource, "add", count=1, after_calls={"skip": skip})
    return 8


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
