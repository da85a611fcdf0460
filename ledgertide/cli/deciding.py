"""The commands that decide about documents, and show what became of it."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from config.decisions import DECISIONS, KINDS
from ledgertide.cli import session
from ledgertide.cli.looking import AsJson, Which
from ledgertide.cli.pressing import Timeout, Wait
from ledgertide.deciding import DecisionLine, decide, file_of
from ledgertide.output import say, show_json, show_table
from ledgertide.problems import CommandError
from store import decisions, organisations
from store.decisions import CannotDecideError
from store.withdrawals import withdraw


def register(app: typer.Typer) -> None:
    """Make these commands known."""
    app.command("decide")(decide_about)
    app.command("decisions")(list_decisions)


def decide_about(  # noqa: PLR0913 - a command's options
    organisation: Which,
    kind: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}.", show_default=False)],
    document: Annotated[
        str, typer.Argument(help="The document's id at Xero, such as an InvoiceID.", show_default=False)
    ],
    decision: Annotated[str, typer.Argument(help=f"{', '.join(DECISIONS)}.", show_default=False)],
    *,
    note: Annotated[str | None, typer.Option(help="For the document's history in Xero.")] = None,
    attach: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="A file; may be given again.")
    ] = None,
    mark_reference: Annotated[
        bool, typer.Option("--mark-reference", help="send_back of an order: Rejected before its reference.")
    ] = False,
    seen_status: Annotated[
        str | None, typer.Option(help="What the approver saw; else what is stored.")
    ] = None,
    seen_modified_at: Annotated[str | None, typer.Option(help="And when that was modified, in UTC.")] = None,
    key: Annotated[str | None, typer.Option(help="The same key is the same decision.")] = None,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
) -> None:
    """Decide about a document in Xero: sent once, ahead of all other work, after a look at what is there."""
    with session.app() as app:
        handle = decide(
            app,
            organisation,
            kind,
            document,
            decision,
            by=session.operator(),
            idempotency_key=key,
            seen_status=seen_status,
            seen_modified_at=seen_modified_at,
            mark_reference=mark_reference,
            note=note,
            files=[file_of(path) for path in attach or ()],
        )
        longest = None if timeout is None else timedelta(seconds=timeout)
        line = handle.wait(longest, for_all=True) if wait else handle.state()
    if as_json:
        show_json(line)
    else:
        say(f"{line.organisation}'s {kind.replace('_', ' ')} {document}: {_said(line)}")
    if wait and not _stands(line):
        raise CommandError(line.error or "It is on its way still: `ledgertide decisions` shows it.")


def list_decisions(
    organisation: Which,
    limit: Annotated[int, typer.Option(min=1, help="How many, from the newest.")] = 30,
    as_json: AsJson = False,
    take_back: Annotated[
        str | None, typer.Option("--withdraw", help="First take back this one, of which nothing went out.")
    ] = None,
) -> None:
    """Show an organisation's decisions and what became of each."""
    if take_back is not None:
        _withdraw(organisation, take_back)
    with session.database() as database, database.reading() as tx:
        scope = tx.scope(organisations.find(tx, organisation).id)
        found = decisions.lines(scope, limit)
    if as_json:
        show_json(found)
        return
    columns = ("decided", "by", "kind", "document", "decision", "outcome", "beside", "what to do", "who")
    show_table(columns, [_row(line) for line in found])


def _withdraw(organisation: str, decision: str) -> None:
    with session.database() as database, database.transaction() as tx:
        found = organisations.find(tx, organisation)
        try:
            withdraw(tx, found.id, decision, by=session.operator())
        except (LookupError, CannotDecideError) as error:
            raise CommandError(str(error)) from error


def _row(line: DecisionLine) -> tuple[object, ...]:
    beside = ", ".join(f"{step.name or step.what} {step.state}" for step in line.steps)
    return (
        line.decided_at,
        line.decided_by,
        line.kind,
        line.document_id,
        line.decision,
        line.outcome + (f" ({line.reason})" if line.reason else ""),
        beside,
        " ".join(part for part in (line.error, line.provider_words) if part),
        line.mended_by,
    )


def _said(line: DecisionLine) -> str:
    waits = f", waits: {line.reason}" if line.reason else ""
    words = f" Xero says: {line.provider_words}" if line.provider_words else ""
    mended = f" To be mended by {line.mended_by}." if line.mended_by else ""
    flaws = "".join(f" {step.name or step.what}: {step.error}" for step in line.steps if step.error)
    return f"{line.decision}, {line.outcome}{waits}.{words}{mended}{flaws}"


def _stands(line: DecisionLine) -> bool:
    return line.outcome == "confirmed" and line.finished
