"""A consent of Dext's: which account it is for, when it ends, and what goes on after it was renewed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from connectors.errors import ConfigurationError
from ledgertide.connect import Wish, connect_by_token
from ledgertide.problems import CommandError
from sandbox.testing import Sandbox
from store import events, expiry, grants, organisations
from store.models import audit
from store.runs import LeaseLostError
from sync.run import run_slice
from tests.integration.engine import ROOMY, Engine, engine

ITEMS, RATES = "dext.items", "dext.tax_rates"


@pytest.fixture
def dext(sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    """A sandbox of its own: its clock moves on by a year."""
    with engine(sandbox, database_url, redis_url, limits=ROOMY) as made:
        yield made


def accounts(dext: Engine) -> list[dict[str, str]]:
    return list(dext.sandbox.dext_grants()["accounts"])


def connected(dext: Engine, place: int, name: str, **wishes: Any) -> str:
    """Somebody connects an account of the sandbox's under this name."""
    token = SecretStr(accounts(dext)[place]["refresh_token"])
    return connect_by_token(dext.services, Wish("dext", name, **wishes), token, by="ann").slug


def links(dext: Engine, slug: str) -> dict[str, organisations.Link]:
    with dext.services.database.reading() as tx:
        found = organisations.links(tx, organisations.find(tx, slug).id)
    return {link.provider: link for link in found}


def notes(dext: Engine, action: str) -> list[str]:
    with dext.services.database.reading() as tx:
        return list(tx.execute(select(audit.c.detail).where(audit.c.action == action)).scalars())


def announced(dext: Engine) -> list[int]:
    with dext.services.database.transaction() as tx:
        return [one.days for one in expiry.announce(tx)]


def test_an_account_joins_the_organisation_that_its_slug_says_and_only_that_one(dext: Engine) -> None:
    acme, other = dext.connect(resources=["xero.tax_rates"], organisations_wanted=2)
    first, second, _ = accounts(dext)

    assert connected(dext, 0, acme) == acme

    link = links(dext, acme)["dext"]
    assert (link.tenant_id, link.state) == (first["account_id"], "connected")
    assert links(dext, other).keys() == {"xero"}
    with pytest.raises(organisations.ConnectRefusedError, match=f"connected already, as '{acme}'"):
        connected(dext, 0, other, tenant_id=first["account_id"])
    with pytest.raises(CommandError, match=f"does not reach the tenant {first['account_id']}"):
        connected(dext, 1, acme, tenant_id=first["account_id"])
    assert links(dext, acme)["dext"] == link
    assert connected(dext, 1, other) == other
    assert links(dext, other)["dext"].tenant_id == second["account_id"]


def test_a_token_that_is_never_renewed_serves_until_dext_refuses_it(
    sandbox: Sandbox, database_url: str, redis_url: str
) -> None:
    bearer = {"dext_auth_mode": "static_bearer"}
    with engine(sandbox, database_url, redis_url, limits=ROOMY, **bearer) as dext:
        (first, *_) = accounts(dext)
        token = dext.sandbox.dext_refresh(first["refresh_token"]).json()["access_token"]
        slug = connect_by_token(dext.services, Wish("dext", "Acme"), SecretStr(token), by="ann").slug
        dext.sync(slug, RATES)
        assert dext.line(slug, RATES).state == "up to date"
        dext.pass_time(timedelta(days=40))
        with dext.services.database.reading() as tx:
            assert grants.idle(tx) == []  # nothing of it can be refreshed

        dext.sandbox.advance(2 * 3600)
        dext.sync(slug, RATES)

        assert dext.line(slug, RATES).reason == "grant expired"


def test_the_end_of_a_year_is_announced_three_times_and_after_it_a_new_consent_goes_on(dext: Engine) -> None:
    acme, other = (connected(dext, place, name) for place, name in enumerate(("Acme", "Other")))
    dext.work(list(dext.press(acme, ITEMS).messages))
    cursor = dext.feed(acme, ITEMS).newest_at
    told = []
    for days in (334, 1, 22, 1, 5, 1, 0):
        dext.pass_time(timedelta(days=days), comparisons=True)
        dext.sandbox.advance(days * 86_400)
        told.append(announced(dext))
    assert told == [[], [30, 30], [], [7, 7], [], [1, 1], []]
    assert len(notes(dext, "expiring")) == 6
    with dext.services.database.reading() as tx:
        assert {link.state_at(tx.now) for link in organisations.every_link(tx)} == {"expiring"}
    assert dext.line(acme, ITEMS).consent_ends_at is not None
    dext.sync(acme, RATES)
    assert dext.line(acme, RATES).state == "up to date"  # it is read to the last day

    dext.pass_time(timedelta(days=2), comparisons=True)
    dext.sandbox.advance(2 * 86_400)
    dext.sync(acme, RATES)
    assert links(dext, acme)["dext"].state == "expired"
    assert dext.line(acme, ITEMS).reason == "grant expired"

    account = links(dext, acme)["dext"].tenant_id
    fresh = dext.sandbox.control("POST", "dext/connect", {"account": account})["refresh_token"]
    connect_by_token(dext.services, Wish("dext", acme), SecretStr(fresh), by="ann")

    renewed = links(dext, acme)["dext"]
    assert (renewed.tenant_id, renewed.state) == (account, "connected")
    with dext.services.database.reading() as tx:
        assert renewed.state_at(tx.now) == "connected"
    assert dext.feed(acme, ITEMS).newest_at == cursor
    assert dext.line(acme, ITEMS).consent_ends_at is None
    assert announced(dext) == []
    dext.settle()
    assert dext.line(acme, RATES).state == "up to date"
    assert links(dext, other)["dext"].state in {"connected", "expired"}


def test_another_account_is_refused_until_somebody_says_switch(dext: Engine) -> None:
    acme = connected(dext, 0, "Acme")
    dext.settle()
    first, second, _ = accounts(dext)
    before = dext.stored(acme, ITEMS)
    claim = dext.claim(dext.press(acme, ITEMS).messages[0])  # somebody reads under the old consent
    assert claim is not None

    with pytest.raises(CommandError, match="Nothing was stored") as refused:
        connected(dext, 1, acme)
    assert f"is connected to another dext organisation ({first['account_id']})" in str(refused.value)
    assert dext.stored(acme, ITEMS) == before

    assert connected(dext, 1, acme, switch=True) == acme

    assert links(dext, acme)["dext"].tenant_id == second["account_id"]
    assert dext.stored(acme, ITEMS) == {}
    with pytest.raises(LeaseLostError):
        run_slice(dext.services, claim)
    dext.accounts[acme] = second["account_id"]
    dext.settle()
    assert dext.parsed(acme, ITEMS) == dext.at_provider(acme, ITEMS)
    assert not dext.stored(acme, ITEMS).keys() & before.keys()
    with dext.services.database.reading() as tx:
        scope = tx.scope(organisations.find(tx, acme).id)
        told = [event for event in events.read(scope) if event.resource == ITEMS]
    assert {key for event in told if event.kind == "gone" for key in event.ids} == before.keys()
    assert any(first["account_id"] in note for note in notes(dext, "reconnected"))


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_provider_that_is_not_set_up_takes_no_token(dext: Engine) -> None:
    xero_alone = {"xero": dext.services.provider("xero")}
    without = replace(dext.services, providers=xero_alone)

    with pytest.raises(ConfigurationError, match="set LEDGERTIDE_DEXT_BASE_URL"):
        connect_by_token(without, Wish("dext", "Acme"), SecretStr("dxr_any"), by="ann")
