"""The command that erases an organisation."""

from typing import Annotated

import typer

from ledgertide.cli import session
from ledgertide.cli.looking import Which
from ledgertide.output import say
from ledgertide.problems import CommandError
from limiter.limiter import Account
from store import erasure, organisations
from sync.services import SHAPES


def register(app: typer.Typer) -> None:
    """Make this command known."""
    app.command("erase")(erase)


def erase(
    organisation: Which,
    confirm: Annotated[
        str | None, typer.Option(help="the organisation's slug once more, instead of being asked for it")
    ] = None,
) -> None:
    """Forget an organisation for good: its records, files, runs, presses, events, audit and token pair."""
    with session.services() as services:
        with services.database.reading() as tx:
            found = organisations.find(tx, organisation)
        asked = f"Everything of {found.name} will be erased, and nothing brings it back. Type {found.slug}"
        if (confirm if confirm is not None else typer.prompt(asked)) != found.slug:
            raise CommandError(f"Nothing was erased: that is not {found.slug}.")
        with services.database.transaction() as tx:
            erased = erasure.erase(tx, found, SHAPES.values(), actor=session.operator())
        services.shelf.forget(found.id)
        for link in erased.links:
            services.limiter.forget(Account(link.provider, link.id, link.day_limit))
        for run_id in erased.open_runs:
            services.queueing_lock.free(("now", "sync"), run_id)
    say(
        f"{found.slug} is erased: {erased.rows} rows. Its consent stands until its owner disconnects the app"
        " at the provider; backups and logs keep what they hold until they are replaced."
    )
