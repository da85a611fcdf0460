"""Who did what, when: rows are only ever added."""

import json
import uuid
from typing import Any

from sqlalchemy import insert

from store.database import Transaction
from store.models import audit


def note(
    tx: Transaction, *, actor: str, action: str, organisation_id: str | None = None, **detail: Any
) -> None:
    """Put an act on record, in the transaction that does it."""
    tx.execute(
        insert(audit).values(
            id=str(uuid.uuid4()),
            organisation_id=organisation_id,
            happened_at=tx.now,
            actor=actor,
            action=action,
            detail=json.dumps(detail, default=str),
        )
    )
