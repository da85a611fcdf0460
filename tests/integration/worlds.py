"""Small worlds for tests: organisations with feeds, without a provider behind them."""

import uuid
from collections.abc import Mapping
from datetime import timedelta

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import insert, select

from store import grants, models, organisations
from store.database import Database
from store.grants import Vault
from store.models import feeds

VAULT = Vault([Fernet.generate_key().decode()])


def connect_organisation(
    database: Database, name: str, cadences: Mapping[str, timedelta], *, vault: Vault = VAULT
) -> list[str]:
    """Connect an organisation with a grant of its own; returns its feeds' ids in the order of `cadences`."""
    with database.transaction() as tx:
        grant_id = grants.add(
            tx,
            vault,
            provider="xero",
            access_token=SecretStr("an access token"),
            refresh_token=SecretStr("a refresh token"),
            expires_in=timedelta(minutes=30),
        )
        organisation = organisations.connect(
            tx,
            provider="xero",
            name=name,
            tenant_id=str(uuid.uuid4()),
            grant_id=grant_id,
            cadences=cadences,
            actor="test",
        )
        rows = tx.execute(tx.scope(organisation.id).select(feeds)).all()
        by_resource = {row.resource: row.id for row in rows}
    return [by_resource[resource] for resource in cadences]


def connect_many(
    database: Database, organisation_count: int, cadences: Mapping[str, timedelta], *, late_by: timedelta
) -> None:
    """Many organisations under one grant, every feed due at one time, written in bulk."""
    with database.transaction() as tx:
        grant_id = grants.add(
            tx,
            VAULT,
            provider="xero",
            access_token=SecretStr("an access token"),
            refresh_token=SecretStr("a refresh token"),
            expires_in=timedelta(minutes=30),
        )
        names = [f"many-{number}" for number in range(organisation_count)]
        tx.execute(
            insert(models.organisations),
            [{"id": name, "slug": name, "name": name, "created_at": tx.now} for name in names],
        )
        tx.execute(
            insert(models.connections),
            [
                {
                    "id": f"c-{name}",
                    "organisation_id": name,
                    "provider": "xero",
                    "tenant_id": name,
                    "grant_id": grant_id,
                    "state": "connected",
                    "state_since": tx.now,
                }
                for name in names
            ],
        )
        tx.execute(
            insert(feeds),
            [
                {
                    "id": f"{name}-{resource}",
                    "organisation_id": name,
                    "connection_id": f"c-{name}",
                    "resource": resource,
                    "cadence_seconds": int(cadence.total_seconds()),
                    "phase_seconds": 0,
                    "due_at": tx.now - late_by,
                }
                for name in names
                for resource, cadence in cadences.items()
            ],
        )


def state_of(database: Database, run_id: str) -> str:
    """A run's state."""
    from store.models import runs  # noqa: PLC0415

    with database.reading() as tx:
        return str(tx.execute(select(runs.c.state).where(runs.c.id == run_id)).scalar_one())
