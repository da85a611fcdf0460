"""The commands that set up, examine, run, and demonstrate."""

from pathlib import Path
from typing import Annotated

import typer

from ledgertide import doctor as doctors
from ledgertide.cli import session
from ledgertide.demo.demo import demonstrate
from ledgertide.embedded.run import run as run_everything
from ledgertide.embedded.system import Plan
from ledgertide.migrate import migrate as bring_up
from ledgertide.output import say, show_json

Organisations = Annotated[int, typer.Option(min=1, help="How many organisations the sandbox has.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same data.")]


def register(app: typer.Typer) -> None:
    """Make these commands known."""
    app.command("migrate")(migrate)
    app.command("doctor")(doctor)
    app.command("run")(run)
    app.command("demo")(demo)


def migrate() -> None:
    """Bring the database, and the feeds of all who are connected, to this version; safe to run again."""
    settings = session.settings()
    made = bring_up(settings.database_url.get_secret_value(), settings.cadences)
    say(f"The database is up to date; made: {', '.join(made)}." if made else "The database is up to date.")


def doctor(
    live: Annotated[
        str | None, typer.Option(metavar="ORGANISATION", help="Also make two real calls for it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> int:
    """Say what is wrong with this set-up and what to do; exit status 1 when something is."""
    findings = []
    for finding in doctors.examine(session.settings, live):
        findings.append(finding)
        if not as_json:
            say(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.check}: {finding.says}")
    if as_json:
        show_json(findings)
    return 0 if all(finding.ok for finding in findings) else 1


def run(
    folder: Annotated[Path, typer.Option(help="Where everything is kept.")] = session.EMBEDDED,
    organisations: Organisations = 25,
    seed: Seed = 7,
    edits_per_minute: Annotated[
        float, typer.Option(min=0, help="How lively the sandbox's organisations are.")
    ] = 6,
    sandbox_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 9100,
    flower_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 5555,
    web_port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
) -> None:
    """Run everything on this machine, the sandbox in place of Xero and Dext; Ctrl-C ends it."""
    run_everything(
        Plan(
            folder,
            organisations=organisations,
            seed=seed,
            edits_per_minute=edits_per_minute,
            sandbox_port=sandbox_port,
            flower_port=flower_port,
            web_port=web_port,
        )
    )


def demo(
    folder: Annotated[
        Path, typer.Option(help="Where it happens; whatever was there before is deleted.")
    ] = session.EMBEDDED / "demo",
    organisations: Organisations = 25,
    seed: Seed = 7,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> int:
    """Read everything, edit at the provider, press, and compare each stored record; 0 when all are equal."""
    return demonstrate(Plan(folder, organisations=organisations, seed=seed, fresh=True), as_json=as_json)
