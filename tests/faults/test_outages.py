"""The provider is away for all, or tells something untrue: few calls, the right reason, nothing deleted."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from store.models import feeds
from tests.faults.child import LIMITS
from tests.faults.house import House, until
from tests.faults.judge import judge

CONTACTS, TAX_RATES = "xero.contacts", "xero.tax_rates"
PROBE = LIMITS["xero"].outage.probe.total_seconds()
ALWAYS = 10**9

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(autouse=True)
def _mended(home: House) -> Iterator[None]:
    yield
    home.sandbox.clear_faults()


def test_a_provider_that_is_away_for_all_is_tried_by_one_call_at_a_time(home: House) -> None:
    home.sandbox.faults("status", status=503, count=ALWAYS)
    until(lambda: _all_say_so(home), 90, "every feed says why it waits")

    began, last = time.monotonic(), home.sandbox.last_call()
    time.sleep(4 * PROBE)
    tried = len(home.sandbox.calls(last))
    seconds = time.monotonic() - began
    home.sandbox.clear_faults()
    mended_at = _now(home)

    until(lambda: _all_read_since(home, mended_at), 60, "all is fresh again, by itself")
    assert "provider unavailable" not in _reasons(home)
    most = seconds / PROBE + 1
    print(f"{tried} calls in {seconds:.1f} s of an outage, allowed are {most:.1f}")
    assert 1 <= tried <= most


def test_a_list_that_is_suddenly_empty_deletes_nothing_and_says_so(home: House) -> None:
    slug = home.slugs[0]
    before = home.engine.stored(slug, TAX_RATES)
    home.sandbox.faults("empty_list", endpoint="TaxRates", tenant=home.engine.tenants[slug], count=ALWAYS)

    until(lambda: home.engine.line(slug, TAX_RATES).vanish_held, 90, "the vanish is held")
    held = home.engine.line(slug, TAX_RATES)
    assert home.engine.stored(slug, TAX_RATES).keys() == before.keys()
    home.sandbox.clear_faults()

    assert (held.state, held.reason) == ("action needed", "vanish held")
    until(lambda: not home.engine.line(slug, TAX_RATES).vanish_held, 60, "it is there again, nothing held")
    assert home.engine.stored(slug, TAX_RATES).keys() == before.keys()


def test_a_filter_that_is_ignored_deletes_nothing_and_says_so(home: House) -> None:
    slug, tenant = home.slugs[0], home.engine.tenants[home.slugs[0]]
    before = home.engine.stored(slug, CONTACTS).keys()
    home.sandbox.faults("filter_ignored", endpoint="Contacts", tenant=tenant, count=ALWAYS)

    until(lambda: home.engine.line(slug, CONTACTS).reason == "filter ignored", 90, "it is noticed")
    home.sandbox.clear_faults()

    assert home.engine.stored(slug, CONTACTS).keys() == before
    home.press(slug, CONTACTS)
    until(lambda: home.engine.line(slug, CONTACTS).reason is None, 60, "it goes on by itself")
    assert judge(home).differences[CONTACTS].is_none


def _all_say_so(home: House) -> bool:
    """Those that have not tried themselves; whoever has tried in vain backs off, so that others try next."""
    return _reasons(home) <= {"provider unavailable", "back-off"} and "provider unavailable" in _reasons(home)


def _reasons(home: House) -> set[str | None]:
    lines = [line for slug in home.slugs for line in home.engine.lines(slug)]
    return {line.reason for line in lines if line.state not in ("off", "syncing")}  # one of them tries


def _now(home: House) -> object:
    with home.services.database.reading() as tx:
        return tx.now


def _all_read_since(home: House, moment: object) -> bool:
    late = select(feeds.c.id).where(feeds.c.enabled, feeds.c.last_success_at < moment)
    with home.services.database.reading() as tx:
        return not tx.execute(late).all()
