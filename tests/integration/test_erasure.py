"""Erasing an organisation leaves nothing of it, anywhere, and takes nothing of anybody else's."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import MetaData, select

from store import organisations
from store.database import Database
from store.runs import LeaseLostError
from sync.run import run_slice
from sync.shelf import Shelf
from tests.integration.engine import Engine
from tests.integration.workers import wait_until
from tests.services.operator import Operator, operator

__all__ = ["operator"]
CONTACTS, TAX_RATES = "xero.contacts", "xero.tax_rates"


def test_nothing_of_an_erased_organisation_is_left_in_any_table_or_in_redis(
    whole_engine: Engine, redis_url: str, operator: Operator, tmp_path: Path
) -> None:
    gone, stays = whole_engine.connect(resources=[CONTACTS, TAX_RATES], which=(0, 1))
    live(whole_engine, gone, stays)
    marks = marks_of(whole_engine, gone)
    assert len(traces(whole_engine, redis_url, marks)) >= 12
    others = traces(whole_engine, redis_url, marks_of(whole_engine, stays))
    records = whole_engine.stored(stays, CONTACTS)
    papers = [put_on_the_shelf(whole_engine, slug, tmp_path) for slug in (gone, stays)]

    said = operator.types("erase", gone, "--confirm", gone, **variables(whole_engine, tmp_path))

    assert said.status == 0, said.err
    assert f"{gone} is erased" in said.out
    assert traces(whole_engine, redis_url, marks) == set()
    assert traces(whole_engine, redis_url, marks_of(whole_engine, stays)) == others
    assert whole_engine.stored(stays, CONTACTS) == records
    assert [paper.exists() for paper in papers] == [False, True]


def test_it_must_be_named_once_more_and_what_runs_writes_nothing_more(
    whole_engine: Engine, operator: Operator
) -> None:
    slug, _ = whole_engine.connect(resources=[TAX_RATES], which=(0, 1))
    whole_engine.sandbox.faults("held", endpoint="TaxRates")
    claim = whole_engine.claim(whole_engine.press(slug, TAX_RATES).messages[0])
    assert claim
    with ThreadPoolExecutor() as pool:
        in_hand = pool.submit(run_slice, whole_engine.services, claim)
        wait_until(lambda: not whole_engine.sandbox.faults_left(), "the answer is on its way")

        refused = operator.types("erase", slug, given="yes\n", **variables(whole_engine))
        erased = operator.types("erase", slug, given=f"{slug}\n", **variables(whole_engine))
        again = operator.types("erase", slug, given=f"{slug}\n", **variables(whole_engine))
        whole_engine.sandbox.clear_faults()

        assert (refused.status, erased.status, again.status) == (1, 0, 1)
        assert f"Nothing was erased: that is not {slug}." in refused.err
        assert "There is no organisation" in again.err
        with pytest.raises(LeaseLostError):
            in_hand.result()


def live(engine: Engine, *slugs: str) -> None:
    """Every kind of row: pages, events, rejects, candidates, presses, an open run, usage, audit."""
    engine.settle()
    for slug in slugs:
        tenant = engine.tenants[slug]
        engine.sandbox.edit(tenant, CONTACTS, "edit", count=1, poison="nul")
        engine.sandbox.edit(tenant, CONTACTS, "remove", count=2)
        engine.sync(slug, CONTACTS, full=True)
        engine.press(slug, CONTACTS, full=True)
        engine.switch_on(slug, TAX_RATES)


def marks_of(engine: Engine, slug: str) -> set[str]:
    """What names an organisation: its own id, slug and name, those of its connection, feeds and runs."""
    with engine.services.database.reading() as tx:
        found = organisations.find(tx, slug)
        links = organisations.links(tx, found.id)
    feeds = {engine.feed_id(slug, resource) for resource in (CONTACTS, TAX_RATES)}
    runs = {run.id for resource in (CONTACTS, TAX_RATES) for run in engine.runs(slug, resource)}
    own = {found.id, found.slug, found.name, *feeds, *runs}
    return own | {each for link in links for each in (link.id, link.tenant_id)}


def traces(engine: Engine, redis_url: str, marks: set[str]) -> set[str]:
    """Every table's column and every key of Redis in which one of these words stands."""
    found = {
        f"{table}.{column}"
        for table, column, text in _cells(engine.services.database)
        if any(mark in text for mark in marks)
    }
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        for key in client.scan_iter("*"):
            if any(mark in f"{key} {_value(client, key)}" for mark in marks):
                found.add(f"redis {key.split(':')[-1]}")
    return found


def _cells(database: Database) -> Any:
    tables = MetaData()
    tables.reflect(database.engine)
    with database.reading() as tx:
        for table in tables.sorted_tables:
            for row in tx.execute(select(table)).mappings():
                for column, value in row.items():
                    yield table.name, column, json.dumps(value, default=str)


def _value(client: "redis.Redis", key: str) -> str:
    kind = client.type(key)
    read: Any = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda name: client.lrange(name, 0, -1),
        "zset": lambda name: client.zrange(name, 0, -1),
        "set": client.smembers,
    }
    return str(read[kind](key))


def put_on_the_shelf(engine: Engine, slug: str, folder: Path) -> Path:
    """A file of an organisation's, as it is kept."""
    shelf = Shelf(folder)
    with engine.services.database.reading() as tx:
        organisation_id = organisations.find(tx, slug).id
    with shelf.arriving(organisation_id) as file:
        return shelf.keep(organisation_id, file, "ab" * 32)


def variables(engine: Engine, files: Path | None = None) -> dict[str, str]:
    """The environment of a command that meets this engine's database and Redis."""
    settings = engine.services.settings
    names = ("database_url", "redis_url", "xero_client_secret")
    secrets = {f"LEDGERTIDE_{name.upper()}": getattr(settings, name).get_secret_value() for name in names}
    keys = ",".join(key.get_secret_value() for key in settings.secret_keys)
    return secrets | {
        "LEDGERTIDE_SECRET_KEYS": keys,
        "LEDGERTIDE_FILES_FOLDER": str(files or settings.files_folder),
        "LEDGERTIDE_XERO_CLIENT_ID": settings.xero_client_id,
        "LEDGERTIDE_XERO_API_URL": settings.xero_api_url,
        "LEDGERTIDE_XERO_IDENTITY_URL": settings.xero_identity_url,
    }
