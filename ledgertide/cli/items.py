"""Commands that look at Dext's items: what each is, how often it was published, and the paper behind it."""

import shutil
import sys
from typing import Annotated

import typer

from ledgertide.cli import session
from ledgertide.cli.looking import AsJson, Which
from ledgertide.output import show_json, show_table
from ledgertide.problems import CommandError
from store import files, items, organisations
from store.database import Transaction
from store.items import Item
from store.organisations import Link
from sync.files import ITEMS
from sync.services import SHAPES
from sync.shelf import Shelf

COLUMNS = ("id", "type", "status", "supplier", "reference", "date", "total", "published", "file", "look at")


def register(app: typer.Typer) -> None:
    """Make these commands known."""
    app.command("items")(list_items)
    app.command("file")(print_file)


def list_items(
    organisation: Which,
    duplicates: Annotated[
        bool, typer.Option("--duplicates", help="Only those that may be there twice.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List an organisation's items of Dext: published anew, not supported, perhaps there twice."""
    unsupported = session.settings().dext_unsupported_types
    with session.database() as database, database.reading() as tx:
        link = _link(tx, organisation)
        found = items.read(tx.scope(link.organisation_id), SHAPES[ITEMS], link.id, unsupported)
    found = [item for item in found if item.possible_duplicates or not duplicates]
    if as_json:
        show_json(found)
        return
    columns = (
        "id",
        "type",
        "status",
        "supplier",
        "reference",
        "date",
        "total",
        "published",
        "file",
        "look at",
    )
    show_table(columns, [_row(item) for item in found])


def print_file(organisation: Which, item: Annotated[str, typer.Argument(help="The item's id.")]) -> None:
    """Write the file of an organisation's item to standard output."""
    shelf = Shelf(session.settings().files_folder)
    with session.database() as database, database.reading() as tx:
        link = _link(tx, organisation)
        found = files.find(tx.scope(link.organisation_id), link.id, item)
    if found is None or found.stored_at is None or found.sha256 is None:
        why = found.error if found and found.error else "it has not been fetched, or there is none."
        raise CommandError(f"The file of item {item} is not here: {why}")
    try:
        with shelf.path(link.organisation_id, found.sha256).open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
    except FileNotFoundError as error:
        raise CommandError(
            f"{error.filename} is missing: restore the folder of files, or mend its setting."
        ) from error
    sys.stdout.buffer.flush()


def _link(tx: Transaction, reference: str) -> Link:
    found = organisations.find(tx, reference)
    for link in organisations.links(tx, found.id):
        if link.provider == "dext":
            return link
    raise CommandError(
        f"{found.slug} is not connected to Dext: `ledgertide connect dext --name {found.slug}`."
    )


def _row(item: Item) -> tuple[object, ...]:
    times = len(item.publications)
    return (
        item.id,
        item.type,
        item.status,
        item.supplier,
        item.reference,
        item.date,
        f"{item.total} {item.currency or ''}".strip() if item.total is not None else None,
        "" if not times else "once" if times == 1 else f"{times} times",
        _file(item),
        _look_at(item),
    )


def _file(item: Item) -> str:
    if item.file is None:
        return ""
    return "here" if item.file.stored_at else "waiting" if item.file.again_at else "refused"


def _look_at(item: Item) -> str:
    said = [] if item.supported else ["not supported: publish it to Xero directly"]
    if item.possible_duplicates:
        said.append(f"possible duplicate of {', '.join(item.possible_duplicates)}")
    if item.file and item.file.error and not item.file.stored_at:
        said.append(item.file.error)
    return "; ".join(said)
