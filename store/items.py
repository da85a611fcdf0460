"""Items of Dext as a person looks at them: what of them is told by the records beside each other."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from config.shapes import Shape
from store import files, publications
from store.database import Scope
from store.files import StoredFile
from store.publications import Publication
from store.tables import table_of


@dataclass(frozen=True, slots=True)
class Item:
    """One item, with what follows from others of its organisation."""

    id: str
    type: str | None
    status: str | None
    supplier_id: str | None
    supplier: str | None
    reference: str | None
    date: date | None
    currency: str | None
    total: Decimal | None
    supported: bool
    """Whether it may become a bill at all; what is not stays here all the same."""
    publication_id: str | None
    publications: tuple[Publication, ...]
    """Every publishing of it, the earliest first: more than one means that it was published anew."""
    file: StoredFile | None
    possible_duplicates: tuple[str, ...] = ()
    """Other items that may be the same paper: a person has to say."""


def read(scope: Scope, shape: Shape, connection_id: str, unsupported: Collection[str]) -> list[Item]:
    """One connection's items, the latest first; deleted ones are there and say so."""
    table = table_of(shape)
    rows = scope.tx.execute(
        scope.select(table)
        .where(table.c.connection_id == connection_id, table.c.gone_at.is_(None))
        .order_by(table.c.modified_at.desc(), table.c.id)
    ).all()
    published, kept = publications.of(scope, connection_id), files.of(scope, connection_id)
    found = [_item(row, published.get(row.id, ()), kept.get(row.id), unsupported) for row in rows]
    doubles = possible_duplicates(found)
    return [replace(item, possible_duplicates=doubles.get(item.id, ())) for item in found]


def possible_duplicates(items: Iterable[Item]) -> dict[str, tuple[str, ...]]:
    """Item → others that may be the same paper; where something is missing nothing can be said.

    Supplier, reference and total agree; for what has no reference, as receipts, supplier, date and total.
    https://help.dext.com/en/articles/216124-how-dext-handles-duplicate-cost-documents
    """
    alike: dict[Hashable, list[str]] = defaultdict(list)
    for item in items:
        for likeness in _likenesses(item):
            alike[likeness].append(item.id)
    doubles: dict[str, set[str]] = defaultdict(set)
    for ids in alike.values():
        for one in ids if len(ids) > 1 else ():
            doubles[one] |= set(ids) - {one}
    return {one: tuple(sorted(others)) for one, others in doubles.items()}


def _likenesses(item: Item) -> Iterator[Hashable]:
    supplier = item.supplier_id or (item.supplier or "").strip().casefold()
    if not supplier or item.total is None or item.status == "deleted":
        return
    paper = (supplier, item.currency, item.total, item.type == "credit_note")
    reference = (item.reference or "").strip().casefold()
    if reference:
        yield ("reference", reference, *paper)
    elif item.date is not None:
        yield ("date", item.date, *paper)


def _item(
    row: Any, published: tuple[Publication, ...], file: StoredFile | None, unsupported: Collection[str]
) -> Item:
    return Item(
        id=row.id,
        type=row.type,
        status=row.status,
        supplier_id=row.supplier_id,
        supplier=row.supplier_name,
        reference=row.reference,
        date=row.date,
        currency=row.currency,
        total=row.total_amount,
        supported=row.type not in unsupported,
        publication_id=row.publication_id,
        publications=published,
        file=file,
    )
