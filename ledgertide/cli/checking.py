"""The commands that say what Dext has of our lists, and whether its tax list agrees with Xero's."""

from datetime import datetime
from typing import Annotated, Any

import typer

from ledgertide.cli import session
from ledgertide.cli.looking import AsJson, Which
from ledgertide.output import ago, say, show_json, show_table
from ledgertide.problems import CommandError
from store import organisations, tax_checks
from store.database import Scope, Transaction
from store.organisations import Link, Organisation
from store.tax_checks import TaxList
from sync.lists import overview
from sync.lists.overview import EntryLine, ListLine
from sync.providers import LIST_PUSH
from sync.services import SHAPES
from sync.tax.bills import Line
from sync.tax.keeping import check_bill
from sync.tax.verdicts import VERDICTS

# The words are those of Dext's own screens.
TURN_ON = "Turn on Use tax list in Dext: Business settings › Connections › Manage."  # noqa: RUF001
BLOCKED = 1


def register(app: typer.Typer) -> None:
    """Make these commands known."""
    app.command("tax-check")(tax_check)
    app.command("list-push")(list_push)


def tax_check(
    organisation: Which,
    bill: Annotated[
        str | None, typer.Option(help="Judge the lines of this item of Dext's alone, by its id.")
    ] = None,
    confirm_tax_list: Annotated[
        bool, typer.Option("--confirm-tax-list", help="You have seen that Use tax list is on in Dext.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare Dext's tax list with Xero's; exit status 1 when a bill could not go to Xero because of it."""
    if confirm_tax_list:
        _confirm(organisation)
    with session.database() as database, database.reading() as tx:
        found, _ = _with_dext(tx, organisation)
        scope = tx.scope(found.id)
        known = tax_checks.tax_list(scope)
        blocks = _bill(found, scope, bill, known, as_json) if bill else _list(found, scope, known, as_json)
    if blocks:
        raise typer.Exit(BLOCKED)


def list_push(
    organisation: Which,
    entry: Annotated[
        str | None,
        typer.Argument(help="An entry's name, or a part of it, or xero:tax:INPUT2.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what Dext has of our lists, since when, and what it refuses; or why one entry is not there."""
    with session.database() as database, database.reading() as tx:
        found, _ = _with_dext(tx, organisation)
        scope = tx.scope(found.id)
        feed_id = organisations.feed_of(tx, found, LIST_PUSH, even_off=True)
        if entry is not None:
            lines = overview.find(scope, SHAPES.__getitem__, feed_id, entry)
        else:
            lines = overview.refused(scope, SHAPES.__getitem__, feed_id)
        lists = overview.lists(scope, SHAPES.__getitem__, feed_id) if entry is None else []
    if as_json:
        show_json(lines if entry is not None else {"lists": _objects(lists), "refused": _objects(lines)})
    elif entry is not None:
        _show_entries(entry, lines)
    else:
        _show_lists(lists, lines)


def _with_dext(tx: Transaction, reference: str) -> tuple[Organisation, Link]:
    found = organisations.find(tx, reference)
    for link in organisations.links(tx, found.id):
        if link.provider == "dext":
            return found, link
    raise CommandError(
        f"{found.slug} has no Dext. Connect it with `ledgertide connect dext --name {found.slug}`."
    )


def _confirm(reference: str) -> None:
    with session.database() as database, database.transaction() as tx:
        found, link = _with_dext(tx, reference)
        known = tax_checks.tax_list(tx.scope(found.id))
        if known.enabled is False:
            raise CommandError(f"Dext itself says that Use tax list is off. {TURN_ON}")
        tax_checks.confirm(tx, organisation_id=found.id, connection_id=link.id, by=session.operator())


# The whole list.


def _list(found: Organisation, scope: Scope, known: TaxList, as_json: bool) -> bool:
    check = tax_checks.last(scope)
    if as_json:
        show_json(
            {
                "organisation": found.slug,
                "checked_at": check.checked_at,
                "blocking": check.blocking,
                "warning": check.warning,
                "use_tax_list": _facts(known),
                "rows": list(check.rows),
            }
        )
        return check.blocking > 0
    if check.checked_at is None:
        say("Not compared yet: that is done once both lists, xero.tax_rates and dext.tax_rates, were read.")
    else:
        said = [row for row in check.rows if row["verdict"] != "match"]
        say(
            f"Compared {ago(check.checked_at)}: {check.blocking} would stop a bill, {check.warning} are worth"
            f" a look, {len(check.rows) - len(said)} agree."
        )
        show_table(("tax type", "stops bills", "found", "xero", "dext", "do"), [_row(row) for row in said])
    say(_use_tax_list(found, known))
    return check.blocking > 0


def _row(row: Any) -> tuple[object, ...]:
    found = ", ".join(name.replace("_", " ") for name in row["found"])
    stops = "yes" if row["blocks"] else ""
    return (row["tax_type"], stops, found, _side(row["xero"]), _side(row["dext"]), row["sentence"])


def _side(side: Any) -> str:
    if side is None:
        return "-"
    rate = "" if side["rate"] is None else f", {float(side['rate']):g} %"
    return f"{side['name']}{rate}" + ("" if side["active"] else " (not in use)")


# One bill.


def _bill(found: Organisation, scope: Scope, item_id: str, known: TaxList, as_json: bool) -> bool:
    try:
        lines = check_bill(scope, SHAPES.__getitem__, item_id)
    except LookupError as error:
        raise CommandError(str(error)) from error
    blocks = any(line.blocks for line in lines)
    if as_json:
        show_json(
            {
                "organisation": found.slug,
                "bill": item_id,
                "blocks": blocks,
                "use_tax_list": _facts(known),
                "lines": [_line(line) for line in lines],
            }
        )
        return blocks
    columns = ("line", "account", "tax", "sent as", "stops", "found", "do")
    show_table(columns, [_shown(line) for line in lines])
    say("This bill cannot go to Xero as it is." if blocks else "Nothing about its tax keeps it from Xero.")
    say(_use_tax_list(found, known))
    return blocks


def _shown(line: Line) -> tuple[object, ...]:
    said = ", ".join(name.replace("_", " ") for name in line.found)
    sentence = VERDICTS[line.verdict].sentence
    stops = "yes" if line.blocks else ""
    return (line.id or "all", line.account_code, line.tax_amount, line.tax_type, stops, said, sentence)


def _line(line: Line) -> dict[str, object]:
    return {
        "id": line.id,
        "description": line.description,
        "account_code": line.account_code,
        "tax_amount": None if line.tax_amount is None else str(line.tax_amount),
        "tax_type": line.tax_type,
        "found": list(line.found),
        "blocks": line.blocks,
        "sentence": VERDICTS[line.verdict].sentence,
    }


# Use tax list.


def _use_tax_list(found: Organisation, known: TaxList) -> str:
    if known.enabled and known.confirmed_by and known.told is None:
        return f"Use tax list is on in Dext, as {known.confirmed_by} confirmed {_day(known.confirmed_at)}."
    if known.enabled:
        return f"Use tax list is on in Dext, as Dext said {ago(known.read_at)}."
    if known.told is False:
        return TURN_ON
    return (
        f"{TURN_ON} Dext does not say whether it is on: once you have seen that it is,"
        f" `ledgertide tax-check {found.slug} --confirm-tax-list`."
    )


def _facts(known: TaxList) -> dict[str, object]:
    return {
        "enabled": known.enabled,
        "told_by_dext": known.told,
        "confirmed_by": known.confirmed_by,
        "confirmed_at": known.confirmed_at,
        "do": None if known.enabled else TURN_ON,
    }


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "once"


# What Dext has of our lists.


def _show_lists(lists: list[ListLine], refused: list[EntryLine]) -> None:
    columns = ("list", "entries", "in Dext", "on its way", "waiting", "refused", "Xero read", "Dext took")
    show_table(
        columns,
        [
            (
                line.kind.replace("_", " "),
                line.entries,
                line.in_dext,
                line.on_its_way,
                line.waiting,
                line.refused,
                line.xero_read_at,
                line.dext_took_at,
            )
            for line in lists
        ],
    )
    if refused:
        say("\nDext does not take these; each is sent again with every push:")
        show_table(
            ("list", "entry", "name", "Dext says"),
            [(line.kind, line.external_id, line.name, line.sentence) for line in refused],
        )


def _show_entries(words: str, lines: list[EntryLine]) -> None:
    if not lines:
        say(
            f"No list that goes to Dext has an entry {words!r}. Archived records do not go there; a contact"
            " does once Xero flags it as a supplier or a customer, which its first bill or invoice does."
        )
        return
    show_table(
        ("list", "entry", "name", "state", "Xero read", "Dext took", "Dext says"),
        [
            (
                line.kind,
                line.external_id,
                line.name,
                line.state,
                line.xero_read_at,
                line.dext_took_at,
                line.sentence,
            )
            for line in lines
        ],
    )


def _objects(lines: list[Any]) -> list[dict[str, object]]:
    return [{name: getattr(line, name) for name in line.__dataclass_fields__} for line in lines]
