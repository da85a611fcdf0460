"""The command that connects an organisation."""

import sys
from typing import Annotated

import typer
from pydantic import SecretStr

from ledgertide.cli import session
from ledgertide.connect import Wish, connect_by_grant_of, connect_by_token, require_provider
from ledgertide.output import say, show_json


def register(app: typer.Typer) -> None:
    """Make the command known."""
    app.command("connect")(connect)


def connect(
    provider: Annotated[str, typer.Argument(help="xero or dext", show_default=False)],
    name: Annotated[
        str,
        typer.Option(
            help="What the organisation is called here, or its slug: both of its providers go by one.",
            show_default=False,
        ),
    ],
    tenant_id: Annotated[
        str | None, typer.Option(help="The provider's id of it, where the grant reaches several.")
    ] = None,
    refresh_token_stdin: Annotated[
        bool,
        typer.Option(
            "--refresh-token-stdin",
            help="Read a grant's refresh token from standard input, or the token that Dext never renews.",
        ),
    ] = False,
    grant_of: Annotated[
        str | None,
        typer.Option(help="Instead: use the grant that this organisation came with, which serves both."),
    ] = None,
    day_limit: Annotated[
        int | None, typer.Option(min=1, help="Its calls a day, where not the provider's usual number.")
    ] = None,
    switch: Annotated[
        bool,
        typer.Option(
            "--switch", help="Let it take the place of another one: what was read of that is marked gone."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Connect an organisation, or reconnect it, by a grant that exists already.

    The grant is refreshed once, and the provider is asked which organisations it reaches.
    """
    require_provider(provider)
    if refresh_token_stdin == (grant_of is not None):
        raise typer.BadParameter(
            "Say either --refresh-token-stdin and pipe the token in, or --grant-of ORGANISATION"
        )
    wish = Wish(provider, name, tenant_id, day_limit, switch)
    with session.services() as services:
        if grant_of is None:
            connected = connect_by_token(services, wish, _token_from_stdin(), by=session.operator())
        else:
            connected = connect_by_grant_of(services, wish, grant_of, by=session.operator())
    if as_json:
        show_json(connected)
    else:
        say(f"Connected {connected.name} as {connected.slug}. Its feeds are read from now on.")


def _token_from_stdin() -> SecretStr:
    if sys.stdin.isatty():
        raise typer.BadParameter("Pipe the refresh token in: it must not be seen on the screen")
    token = SecretStr(sys.stdin.readline().strip())
    if not token.get_secret_value():
        raise typer.BadParameter("Standard input held no refresh token")
    return token
