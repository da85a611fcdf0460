"""A database that was restored from a backup: what happens to the records, and to the grants in it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, insert, select

from ledgertide.connect import Wish, connect_by_token
from store.models import grants, metadata
from store.tables import table_of
from sync.services import SHAPES
from tests.integration.engine import Engine

CONTACTS, QUOTES = "xero.contacts", "xero.quotes"
GRACE = timedelta(minutes=30)
Backup = dict[Any, list[dict[str, Any]]]


@pytest.mark.parametrize("younger", [True, False], ids=["younger than the grace", "older"])
def test_a_restored_database_catches_up_once_its_grants_live(whole_engine: Engine, *, younger: bool) -> None:
    slugs = whole_engine.connect(resources=[CONTACTS, QUOTES], which=(0, 1))
    whole_engine.settle()
    backup = _back_up(whole_engine)
    for slug in slugs:
        whole_engine.sandbox.edit(whole_engine.tenants[slug], CONTACTS, "edit", count=3)
        whole_engine.sandbox.edit(whole_engine.tenants[slug], QUOTES, "add", count=2)
    _pass(whole_engine, timedelta(minutes=40))  # every access token has ended
    for slug in slugs:  # by a press: whether a slot falls within those minutes is drawn by chance
        whole_engine.sync(slug, QUOTES)
    whole_engine.settle()
    _pass(whole_engine, GRACE - timedelta(minutes=5) if younger else GRACE + timedelta(minutes=5))

    _restore(whole_engine, backup)
    _pass(whole_engine, timedelta(hours=2))  # of the database's clock: all is due
    whole_engine.settle()

    reasons = {line.reason for slug in slugs for line in whole_engine.lines(slug)}
    assert reasons == ({None} if younger else {"grant expired"})
    if not younger:
        _reconnect(whole_engine, slugs)
        whole_engine.settle()
    for slug in slugs:
        for resource in (CONTACTS, QUOTES):
            assert whole_engine.parsed(slug, resource) == whole_engine.at_provider(slug, resource)


def test_the_table_of_grants_alone_spares_the_reconnecting(whole_engine: Engine) -> None:
    slugs = whole_engine.connect(resources=[QUOTES], which=(0, 1))
    whole_engine.settle()
    backup = _back_up(whole_engine)
    _pass(whole_engine, timedelta(minutes=40))
    whole_engine.settle()
    _pass(whole_engine, 2 * GRACE)
    whole_engine.settle()
    newer = _back_up(whole_engine)[grants]

    _restore(whole_engine, {**backup, grants: newer})
    _pass(whole_engine, timedelta(hours=2))
    whole_engine.settle()

    assert {line.reason for slug in slugs for line in whole_engine.lines(slug)} == {None}


def _pass(engine: Engine, length: timedelta) -> None:
    engine.sandbox.advance(length.total_seconds() if length < timedelta(hours=2) else 0)
    engine.pass_time(length)


def _tables() -> list[Any]:
    return [*metadata.sorted_tables, table_of(SHAPES[CONTACTS]), table_of(SHAPES[QUOTES])]


def _back_up(engine: Engine) -> Backup:
    with engine.services.database.reading() as tx:
        return {table: [dict(row) for row in tx.execute(select(table)).mappings()] for table in _tables()}


def _restore(engine: Engine, backup: Backup) -> None:
    with engine.services.database.transaction() as tx:
        for table in reversed(_tables()):
            tx.execute(delete(table))
        for table in _tables():
            if backup[table]:
                tx.execute(insert(table), backup[table])


def _reconnect(engine: Engine, slugs: Sequence[str]) -> None:
    """Their owners agree anew."""
    names = {tenant: slug for slug, tenant in engine.tenants.items() if slug in slugs}
    for grant in engine.sandbox.grants()["grants"]:
        for tenant in grant["tenants"]:
            if tenant["tenant_id"] in names:
                wish = Wish("xero", tenant["name"], tenant["tenant_id"], tenant["day_limit"])
                connect_by_token(engine.services, wish, SecretStr(grant["refresh_token"]), by="test")
                break
