"""Xero and Dext side by side, with lists that go from the one into the other, for whole modules of tests."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from config.limits import LIMITS
from ledgertide.embedded.valkey import Valkey
from sandbox.testing import Sandbox
from store import organisations, presses, status
from sync.lists.mapping import SOURCES, UPSTREAM
from sync.providers import LIST_PUSH
from tests.integration.engine import ROOMY, Engine, engine
from tests.services.migrated import migrated
from tests.services.tally import met

KINDS = {source.kind: f"dext.{source.kind}" for source in SOURCES}
# Whoever is killed gives no place at the limiter back.
PLENTY = ROOMY | {"dext": replace(LIMITS["dext"], minute=100_000, in_flight=50)}
CONTACTS, ACCOUNTS = "xero.contacts", "xero.accounts"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def joined(request: pytest.FixtureRequest, shared_sandbox: Sandbox, redis_server: Valkey) -> Iterator[Engine]:
    """Two organisations beside whose Xero Dext is, and whose first push is done: once for this module."""
    server = request.getfixturevalue(
        {"sqlite": "sqlite_folder", "postgresql": "postgres_server"}[request.param]
    )
    flush(redis_server)
    with migrated(server) as url, engine(shared_sandbox, url, redis_server.url, limits=PLENTY) as made:
        slugs = made.connect(resources=list(UPSTREAM), organisations_wanted=2)
        made.settle()
        assert (
            made.connect_dext(resources=["dext.items", *KINDS.values(), LIST_PUSH], organisations_wanted=2)
            == slugs
        )
        made.settle()
        yield made


@pytest.fixture
def pushing(joined: Engine, request: pytest.FixtureRequest) -> Engine:
    """The same, calm again, with nothing left to do."""
    met(request, joined.services.database.engine.dialect.name)
    with_room(joined.sandbox)
    joined.settle()
    return joined


@pytest.fixture
def slug(pushing: Engine) -> str:
    return next(iter(pushing.accounts))


def with_room(sandbox: Sandbox) -> None:
    sandbox.calm()
    sandbox.limits(minute=100_000, app_minute=100_000)
    sandbox.limits("dext", minute=100_000, in_flight=50)


def flush(server: Valkey) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()


def in_dext(engine: Engine, slug: str, kind: str) -> dict[str, str]:
    """What Dext itself has in use of ours: external id → name."""
    dump = engine.sandbox.dump(engine.accounts[slug], f"dext.{kind}")
    return {row["external_id"]: row["name"] for row in dump if row["external_id"] and row["active"]}


def in_xero(engine: Engine, slug: str, kind: str) -> dict[str, str]:
    """What Xero itself has that is to be in Dext, told apart from the product's own mapping."""
    place = engine.tenants[slug]
    accounts = [row for row in engine.sandbox.dump(place, ACCOUNTS) if row["Status"] == "ACTIVE"]
    contacts = [row for row in engine.sandbox.dump(place, CONTACTS) if row["ContactStatus"] == "ACTIVE"]
    rows: dict[str, list[tuple[str, Any]]] = {
        "tax_rates": [("tax:" + row["TaxType"], row) for row in engine.sandbox.dump(place, "xero.tax_rates")],
        "tracking": [
            ("tracking:" + row["TrackingCategoryID"], row)
            for row in engine.sandbox.dump(place, "xero.tracking_categories")
            if row["Status"] == "ACTIVE"
        ],
        "categories": [("account:" + row["AccountID"], row) for row in accounts if row["Type"] != "BANK"],
        "bank_accounts": [("account:" + row["AccountID"], row) for row in accounts if row["Type"] == "BANK"],
        "suppliers": [("contact:" + row["ContactID"], row) for row in contacts if row["IsSupplier"]],
        "customers": [("contact:" + row["ContactID"], row) for row in contacts if row["IsCustomer"]],
    }
    return {f"xero:{identity}": row["Name"] for identity, row in rows[kind]}


def differences(engine: Engine, slug: str) -> list[str]:
    """The lists that differ between Xero and Dext, as both say themselves."""
    return [kind for kind in KINDS if in_dext(engine, slug, kind) != in_xero(engine, slug, kind)]


def rename(engine: Engine, slug: str, name: str) -> str:
    """Give a supplier, who is no customer, another name in Xero; returns its id there."""
    rows = engine.sandbox.dump(engine.tenants[slug], CONTACTS)
    (supplier, *_) = [row for row in rows if row["ContactStatus"] == "ACTIVE" and _only_sells(row)]
    engine.sandbox.edit(
        engine.tenants[slug], CONTACTS, ids=[supplier["ContactID"]], fields=_SELLS | {"Name": name}
    )
    return str(supplier["ContactID"])


_SELLS = {"IsSupplier": True, "IsCustomer": False}


def _only_sells(row: dict[str, Any]) -> bool:
    return {name: row[name] for name in _SELLS} == _SELLS


def is_done(engine: Engine, slug: str, press: presses.Press) -> bool:
    with engine.services.database.reading() as tx:
        return status.press_state(tx.scope(organisations.find(tx, slug).id), press.id).done


def carry_through(engine: Engine, slug: str, press: presses.Press, *, rounds: int = 12) -> None:
    """Beat and workers go on, past every wait, until the press is answered."""
    engine.work(list(press.messages))
    for _ in range(rounds):
        engine.settle()
        if is_done(engine, slug, press):
            return
        engine.pass_time(timedelta(seconds=61))
    raise AssertionError(engine.line(slug, LIST_PUSH))


def send(engine: Engine, press: presses.Press) -> None:
    """The press's work, past the wait for Xero."""
    engine.work(list(press.messages))
    engine.settle()
    engine.pass_time(timedelta(seconds=5))
    engine.settle()


def pushes(engine: Engine, slug: str, after: int) -> list[str]:
    """Which of an organisation's lists were sent, in their order."""
    sent = ("dext.push", engine.accounts[slug])
    calls = engine.sandbox.calls(after)
    return [call["path"].rpartition("/")[2] for call in calls if (call["endpoint"], call["tenant"]) == sent]
