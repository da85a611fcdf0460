"""A grant whose key is lost stops nobody else: the others are sealed and refreshed as ever."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from celery import Celery
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select, update
from structlog.testing import capture_logs

from store import grants
from store.database import Database
from store.grants import IDLE_REFRESH, Vault
from store.models import grants as grant_rows
from tests.integration.engine import KEYS, Engine
from tests.integration.test_grants import current_at_provider, grant_id_of, row_of, stored_refresh_token
from tests.integration.workers import WORKER_MARK, app_of
from tests.integration.worlds import VAULT, connect_organisation

pytestmark = WORKER_MARK

LOST = Fernet.generate_key().decode()


@pytest.fixture
def app(whole_engine: Engine) -> Iterator[Celery]:
    with app_of(whole_engine) as made:
        yield made


@pytest.fixture
def lost_and_healthy(whole_engine: Engine) -> tuple[str, str]:
    """Two grants; the key of the first is lost."""
    slugs = whole_engine.connect(resources=["xero.contacts"], organisations_wanted=3)
    lost, healthy = grant_id_of(whole_engine, slugs[0]), grant_id_of(whole_engine, slugs[-1])
    sealed = Vault([LOST]).seal(SecretStr("access"), SecretStr("refresh"))
    with whole_engine.services.database.transaction() as tx:
        tx.execute(update(grant_rows).where(grant_rows.c.id == lost).values(sealed_pair=sealed))
    return lost, healthy


def test_grants_that_no_key_opens_are_named_and_the_others_sealed_anew(
    whole_engine: Engine, lost_and_healthy: tuple[str, str]
) -> None:
    lost, healthy = lost_and_healthy
    before = row_of(whole_engine, lost).sealed_pair
    newer = Vault([Fernet.generate_key().decode(), KEYS])

    with capture_logs() as told, whole_engine.services.database.transaction() as tx:
        resealed = grants.reseal(tx, newer)

    with whole_engine.services.database.reading() as tx:
        rows = {row.id: row.sealed_pair for row in tx.execute(select(grant_rows))}
    assert resealed == 1
    assert newer.is_sealed_with_first_key(rows[healthy])
    assert rows[lost] == before
    assert [entry["grant"] for entry in told if entry["event"] == "grant_not_resealed"] == [lost]


def test_healthy_grants_are_kept_alive_beside_one_that_no_key_opens(
    whole_engine: Engine, app: Celery, lost_and_healthy: tuple[str, str]
) -> None:
    lost, healthy = lost_and_healthy
    whole_engine.pass_time(IDLE_REFRESH + timedelta(hours=1))

    with capture_logs() as told:
        app.tasks["upkeep.grants"]()

    assert (row_of(whole_engine, lost).version, row_of(whole_engine, healthy).version) == (1, 2)
    assert stored_refresh_token(whole_engine, healthy) == current_at_provider(whole_engine.sandbox, 1)
    unkept = [entry["grant"] for entry in told if entry["event"] == "grant_not_refreshed"]
    kept = [entry["refreshed"] for entry in told if entry["event"] == "grants_kept"]
    assert (unkept, kept) == ([lost], [1])


def test_a_pair_that_no_connection_uses_is_forgotten(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        for name in ("acme", "globex"):
            connect_organisation(database, name, {"xero.contacts": timedelta(hours=2)})
        with database.transaction() as tx:
            unused = grants.add(
                tx,
                VAULT,
                provider="xero",
                access_token=SecretStr("of nobody"),
                refresh_token=SecretStr("of nobody"),
                expires_in=timedelta(minutes=30),
            )
        database.clock_offset += timedelta(days=2)

        with database.transaction() as tx:
            dropped = grants.drop_unused(tx)
            left = set(tx.execute(select(grant_rows.c.id)).scalars())

        assert dropped == 1
        assert len(left) == 2
        assert unused not in left
