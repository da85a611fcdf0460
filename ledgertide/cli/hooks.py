"""The command that shows where a provider is to send an organisation's webhooks."""

from typing import Annotated

import typer

from ledgertide.cli import session
from ledgertide.cli.looking import Which
from ledgertide.output import say
from store import hooks, organisations


def register(app: typer.Typer) -> None:
    """Make this command known."""
    app.command("webhook-address")(webhook_address)


def webhook_address(
    organisation: Which,
    renew: Annotated[bool, typer.Option("--renew", help="Make a new one; the old one ends at once.")] = False,
) -> None:
    """Show where Dext is to send this organisation's webhooks; treat it as a password."""
    with session.database() as database, database.transaction() as tx:
        found = organisations.find(tx, organisation)
        token = hooks.token_of(tx, found, "dext", actor=session.operator(), renew=renew)
    say(f"/hooks/dext/{token}")
