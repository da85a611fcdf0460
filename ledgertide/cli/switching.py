"""The commands that switch an organisation's feeds on and off."""

import typer

from ledgertide.cli import session
from ledgertide.cli.looking import Resource, Which
from ledgertide.output import say
from store import organisations
from store.switches import switch


def register(app: typer.Typer) -> None:
    """Make these commands known."""
    app.command("switch-on")(switch_on)
    app.command("switch-off")(switch_off)


def switch_on(organisation: Which, resource: Resource) -> None:
    """Read a feed that is off from now on, such as xero.journals, which few organisations have."""
    slug = _switch(organisation, resource, on=True)
    say(f"{slug}'s {resource} is on: it is read next, and on its cadence from then on.")


def switch_off(organisation: Which, resource: Resource) -> None:
    """Read a feed no more; what is stored of it stays."""
    slug = _switch(organisation, resource, on=False)
    say(f"{slug}'s {resource} is off. What is stored of it stays as it is.")


def _switch(reference: str, resource: str, *, on: bool) -> str:
    with session.database() as database, database.transaction() as tx:
        organisation = organisations.find(tx, reference)
        switch(tx, organisation, resource, on=on, actor=session.operator())
    return organisation.slug
