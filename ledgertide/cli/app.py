"""All commands under one name, and what is said when one cannot do what was asked."""

import sys
import traceback
from collections.abc import Sequence

import typer

from config.logging import mask_text
from config.settings import SettingsError
from connectors.errors import ConnectorError
from ledgertide.cli import (
    checking,
    connecting,
    deciding,
    erasing,
    hooks,
    items,
    looking,
    pressing,
    running,
    switching,
)
from ledgertide.embedded.folder import EmbeddedError
from ledgertide.embedded.sandbox_doors import SandboxUnavailableError
from ledgertide.embedded.valkey import ValkeyError
from ledgertide.problems import CommandError
from limiter.client import LimiterUnavailableError
from store.database import DatabaseUnavailableError
from store.events import EventsGoneError
from store.grants import SealError
from store.migrations import NotMigratedError
from store.organisations import ConnectRefusedError, UnknownOrganisationError, UnknownResourceError
from tasks.enqueue import SyncRefusedError

# Each says in a sentence what is wrong and what to do.
SENTENCES = (
    CommandError,
    ConnectRefusedError,
    ConnectorError,
    DatabaseUnavailableError,
    EmbeddedError,
    EventsGoneError,
    LimiterUnavailableError,
    NotMigratedError,
    SandboxUnavailableError,
    SealError,
    SyncRefusedError,
    UnknownOrganisationError,
    UnknownResourceError,
    ValkeyError,
)

app = typer.Typer(
    name="ledgertide",
    help="Keeps every organisation's Xero and Dext records near at hand, fresh, and never wrong.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for room in (connecting, looking, items, pressing, deciding, switching, checking, hooks, running, erasing):
    room.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process: 0 done, 1 refused or failed, 2 wrong usage or settings."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; whatever goes wrong is one sentence on stderr."""
    try:
        status = app(list(sys.argv[1:] if arguments is None else arguments), standalone_mode=False)
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        return 1
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - nobody should have to read a traceback
        sentence, status = _complaint(error)
        sys.stderr.write(f"ledgertide: {mask_text(sentence)}\n")
    return int(status or 0)


def _complaint(error: BaseException) -> tuple[str, int]:
    """What is said about an error, and the exit status."""
    match error:
        case typer.TyperException():
            return _usage(error), 2
        case SettingsError():
            return str(error), 2
        case KeyboardInterrupt() | typer.Abort():
            return "Stopped.", 130
        case OSError():
            return f"The system refused: {error}.", 1
        case _ if isinstance(error, SENTENCES):
            return str(error), 1
    return _fault(error), 1


def _usage(error: typer.TyperException) -> str:
    said = str(getattr(error, "format_message", lambda: str(error))())
    context = getattr(error, "ctx", None)
    said = said if said.endswith("?") else f"{said.rstrip('.')}."
    return f"{said} `{context.command_path if context else 'ledgertide'} --help` shows how."


def _fault(error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"A fault of the program itself: {type(error).__name__}: {error} "
        f"({where.filename}, line {where.lineno}). Please report this sentence."
    )
