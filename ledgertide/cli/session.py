"""What a command works with: this installation's settings, its database, or all its services."""

from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

from celery import Celery

from config.logging import configure
from config.settings import Settings, load_settings
from store import migrations
from store.database import Database
from sync.services import SHAPES, Services
from tasks.process import open_for
from workers.celery import make_app

# Where `make run` keeps its own installation.
EMBEDDED = Path("var")


def settings() -> Settings:
    """From the environment, behind it from `.env`, or else from what `make run` left in `var/`."""
    own = Path(".env")
    chosen = load_settings(env_file=own if own.exists() else EMBEDDED / "run.env")
    # What a command has to say, it says itself; the log is for those who ask for it.
    configure("DEBUG" if chosen.log_level == "DEBUG" else "CRITICAL")
    return chosen


@contextmanager
def database() -> Iterator[Database]:
    """The migrated database, for commands that only look."""
    opened = Database(settings().database_url.get_secret_value())
    try:
        migrations.check(opened, SHAPES.values())
        yield opened
    finally:
        opened.close()


@contextmanager
def app() -> Iterator[Celery]:
    """The app with its services, for commands that press."""
    chosen = settings()
    made = make_app(chosen)
    opened = open_for(made, chosen)
    try:
        yield made
    finally:
        opened.close()
        made.close()


@contextmanager
def services() -> Iterator[Services]:
    """The services alone, for commands that connect."""
    with app() as made:
        yield made.services


def operator() -> str:
    """Who is at the terminal, for the record."""
    try:
        return f"cli:{getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "cli"
