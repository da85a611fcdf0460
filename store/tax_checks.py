"""How Dext's tax list and Xero's compare, as last found; and whether Use tax list is on in Dext."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from store import audit
from store.database import Scope, Transaction
from store.models import dext_accounts, tax_checks


@dataclass(frozen=True, slots=True)
class TaxCheck:
    """The last comparison; `checked_at` is None while there was none."""

    checked_at: datetime | None
    rows: tuple[Mapping[str, Any], ...]
    blocking: int
    warning: int


@dataclass(frozen=True, slots=True)
class TaxList:
    """Whether Use tax list is on: as Dext itself told, else as a person confirmed; None: nobody has said."""

    enabled: bool | None
    told: bool | None
    read_at: datetime | None
    confirmed_by: str | None
    confirmed_at: datetime | None


def begin(tx: Transaction, organisation_id: str) -> None:
    """Keep others from storing their comparison until this transaction ends; before anything is compared.

    Both lists may come to their end at once: whoever is second sees what the first one brought.
    """
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    row = insert(tax_checks).values(organisation_id=organisation_id)
    same = {"organisation_id": row.excluded.organisation_id}
    tx.execute(row.on_conflict_do_update(index_elements=["organisation_id"], set_=same))


def keep(
    tx: Transaction, organisation_id: str, rows: Sequence[Mapping[str, Any]], *, blocking: int, warning: int
) -> None:
    """Store what a comparison found, in place of the one before."""
    found = {"checked_at": tx.now, "rows": json.dumps(rows, ensure_ascii=False)}
    tx.execute(
        tax_checks.update()
        .where(tax_checks.c.organisation_id == organisation_id)
        .values(**found, blocking=blocking, warning=warning)
    )


def last(scope: Scope) -> TaxCheck:
    """What was found last."""
    row = scope.tx.execute(scope.select(tax_checks)).first()
    if row is None:
        return TaxCheck(None, (), 0, 0)
    return TaxCheck(row.checked_at, tuple(json.loads(row.rows)), row.blocking, row.warning)


def keep_features(
    tx: Transaction, *, organisation_id: str, connection_id: str, features: Mapping[str, Any]
) -> None:
    """Store what a Dext account says that it offers."""
    told = {"features": json.dumps(dict(features)), "read_at": tx.now}
    _put(tx, organisation_id, connection_id, told)


def confirm(tx: Transaction, *, organisation_id: str, connection_id: str, by: str) -> None:
    """A person has seen that Use tax list is on in Dext."""
    _put(tx, organisation_id, connection_id, {"tax_list_confirmed_by": by, "tax_list_confirmed_at": tx.now})
    audit.note(tx, actor=by, action="tax list confirmed", organisation_id=organisation_id)


def tax_list(scope: Scope) -> TaxList:
    """What is known of Use tax list; what Dext itself says counts for more than what a person said."""
    row = scope.tx.execute(scope.select(dext_accounts)).first()
    if row is None:
        return TaxList(None, None, None, None, None)
    said = json.loads(row.features).get("tax_list_enabled")
    told = said if isinstance(said, bool) else None
    enabled = True if told is None and row.tax_list_confirmed_at else told
    return TaxList(enabled, told, row.read_at, row.tax_list_confirmed_by, row.tax_list_confirmed_at)


def _put(tx: Transaction, organisation_id: str, connection_id: str, values: Mapping[str, Any]) -> None:
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    row = insert(dext_accounts).values(connection_id=connection_id, organisation_id=organisation_id, **values)
    tx.execute(row.on_conflict_do_update(index_elements=["connection_id"], set_=dict(values)))
