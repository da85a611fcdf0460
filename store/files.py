"""Files of records: which are still to be fetched, which are here, and why one could not be had.

What is wanted is worked out, not written down: a record has a file, and no row says that this very file was
stored or refused. So nothing has to be remembered when a worker is killed or a disk is full.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from config.shapes import Shape
from store.database import Scope, Transaction
from store.feeds import due_beside
from store.models import connections, feeds, files
from store.tables import table_of

FIRST_AGAIN = timedelta(minutes=1)
LAST_AGAIN = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that its record speaks of and that is not here; `sha256` as announced, if it was."""

    record_id: str
    sha256: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a record's file: where it is (by its hash), or why it is not here."""

    record_id: str
    sha256: str | None
    size: int | None
    content_type: str | None
    stored_at: datetime | None
    error: str | None
    again_at: datetime | None
    """When it is tried again; without it and without `stored_at` it was refused for good."""


def wanted(tx: Transaction, shape: Shape, connection_id: str, limit: int) -> list[WantedFile]:
    """A connection's files that may be fetched now, those of the latest records first."""
    table = table_of(shape)
    query = (
        select(table.c.id, table.c.file_sha256, table.c.file_size)
        .outerjoin(files, _same(table))
        .where(table.c.connection_id == connection_id, _is_wanted(tx, table))
        .order_by(table.c.modified_at.desc(), table.c.id)
        .limit(limit)
    )
    return [WantedFile(*row) for row in tx.execute(query)]


def wanting(tx: Transaction, shape: Shape) -> list[str]:
    """The connections that have files to fetch and may be asked, unless records of theirs are due first."""
    table = table_of(shape)
    asked = and_(feeds.c.connection_id == connections.c.id, feeds.c.resource == shape.resource)
    some = (
        select(table.c.id)
        .outerjoin(files, _same(table))
        .where(table.c.connection_id == connections.c.id, _is_wanted(tx, table))
    )
    query = (
        select(connections.c.id)
        .join(feeds, asked)
        .where(
            connections.c.state == "connected",
            feeds.c.enabled,
            some.exists(),
            ~due_beside(connections.c.id, tx.now),
        )
    )
    return list(tx.execute(query.order_by(connections.c.id)).scalars())


def keep(
    tx: Transaction,
    *,
    organisation_id: str,
    connection_id: str,
    file: WantedFile,
    sha256: str,
    size: int,
    content_type: str,
) -> None:
    """The file is on disk, whole."""
    _write(
        tx, organisation_id, connection_id, file,
        {
            "sha256": sha256, "size": size, "content_type": content_type[:255], "stored_at": tx.now,
            "failures": 0, "not_before": None, "error_code": None, "error_sentence": None,
        },
    )  # fmt: skip


def fail(
    tx: Transaction,
    *,
    organisation_id: str,
    connection_id: str,
    file: WantedFile,
    code: str,
    sentence: str,
    again: bool,
) -> None:
    """It could not be had: tried again later and later, or never unless its record speaks of another one."""
    known = tx.execute(
        select(files.c.failures).where(
            files.c.connection_id == connection_id, files.c.record_id == file.record_id
        )
    ).scalar_one_or_none()
    failures = (known or 0) + 1
    wait = min(LAST_AGAIN, FIRST_AGAIN * 2 ** min(failures - 1, 12))
    _write(
        tx, organisation_id, connection_id, file,
        {
            "stored_at": None, "failures": failures, "not_before": tx.now + wait if again else None,
            "error_code": code, "error_sentence": sentence,
        },
    )  # fmt: skip


def of(scope: Scope, connection_id: str) -> dict[str, StoredFile]:
    """The files of one connection of this organisation, by the record that each belongs to."""
    rows = scope.tx.execute(scope.select(files).where(files.c.connection_id == connection_id))
    return {row.record_id: _stored(row) for row in rows}


def find(scope: Scope, connection_id: str, record_id: str) -> StoredFile | None:
    """One record's file; None when nothing is known of it."""
    row = scope.tx.execute(
        scope.select(files).where(files.c.connection_id == connection_id, files.c.record_id == record_id)
    ).first()
    return _stored(row) if row else None


def counts(tx: Transaction, shape: Shape) -> dict[str, int]:
    """How many files are `stored`, `waiting` and `refused`, over all organisations."""
    table = table_of(shape)
    waiting = select(func.count()).select_from(table.outerjoin(files, _same(table)))
    refused = and_(files.c.stored_at.is_(None), files.c.not_before.is_(None))
    stored = files.c.stored_at.is_not(None)
    of_files = select(func.count()).select_from(files)
    return {
        "stored": int(tx.execute(of_files.where(stored)).scalar_one()),
        "waiting": int(tx.execute(waiting.where(_is_wanted(tx, table, even_later=True))).scalar_one()),
        "refused": int(tx.execute(of_files.where(refused)).scalar_one()),
    }


def _same(table: Any) -> ColumnElement[bool]:
    return and_(files.c.connection_id == table.c.connection_id, files.c.record_id == table.c.id)


def _is_wanted(tx: Transaction, table: Any, *, even_later: bool = False) -> ColumnElement[bool]:
    has_one = or_(
        table.c.file_name.is_not(None), table.c.file_sha256.is_not(None), table.c.file_size.is_not(None)
    )
    is_there = and_(table.c.gone_at.is_(None), func.coalesce(table.c.status, "") != "deleted")
    is_another = func.coalesce(files.c.announced, "") != func.coalesce(table.c.file_sha256, "")
    its_time = files.c.not_before.is_not(None) if even_later else files.c.not_before <= tx.now
    failed_before = and_(files.c.stored_at.is_(None), its_time)
    return and_(has_one, is_there, or_(files.c.record_id.is_(None), is_another, failed_before))


def _write(
    tx: Transaction, organisation_id: str, connection_id: str, file: WantedFile, values: dict[str, Any]
) -> None:
    insert = sqlite_insert if tx.is_sqlite else postgresql_insert
    own = {"organisation_id": organisation_id, "announced": file.sha256, **values}
    row = insert(files).values(connection_id=connection_id, record_id=file.record_id, **own)
    tx.execute(row.on_conflict_do_update(index_elements=["connection_id", "record_id"], set_=own))


def _stored(row: Any) -> StoredFile:
    return StoredFile(
        row.record_id,
        row.sha256,
        row.size,
        row.content_type,
        row.stored_at,
        row.error_sentence,
        row.not_before,
    )
