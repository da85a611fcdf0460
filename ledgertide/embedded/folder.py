"""What `make run` brings where nothing was set up: its own folder, lasting keys, and the settings for all."""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

from cryptography.fernet import Fernet
from dotenv import dotenv_values

from ledgertide.embedded.valkey import LOOPBACK, write_secret


class EmbeddedError(Exception):
    """The embedded services cannot start here; the sentence says why and what to do."""


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; raises EmbeddedError naming the process that has it already.

    The lock goes with the process, however it ends: there is no stale file to remove.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "run.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise EmbeddedError(
                f"Ledgertide runs here already, as process {file.read().strip() or 'unknown'}:"
                " end it with Ctrl-C in its terminal, or use another copy of the folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def require_port(port: int, whose: str, instead: str) -> None:
    """Raise EmbeddedError when someone listens on this loopback port; ``instead`` says what to do then."""
    with socket.socket() as probe:
        # As servers do: a connection of an earlier run that is still fading away does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise EmbeddedError(
                f"Port {port}, where {whose} should listen, is taken ({error.strerror}): {instead}."
            ) from error


def own_environment(folder: Path, redis_url: str, provider: Mapping[str, str]) -> dict[str, str]:
    """The settings of an embedded installation, with its lasting secrets kept in ``folder``.

    They are also left there in ``run.env``, readable by its owner alone, so that a command in
    another terminal finds the running installation: see ``environment_of``.
    """
    values = {
        "LEDGERTIDE_DATABASE_URL": f"sqlite:///{folder.absolute() / 'ledgertide.sqlite'}",
        "LEDGERTIDE_REDIS_URL": redis_url,
        "LEDGERTIDE_SECRET_KEYS": _lasting(folder / "secret.key", lambda: Fernet.generate_key().decode()),
        "LEDGERTIDE_FLOWER_PASSWORD": _lasting(folder / "flower.password", lambda: token_urlsafe(12)),
        "LEDGERTIDE_XERO_WEBHOOK_KEYS": _lasting(folder / "webhook.key", lambda: token_urlsafe(24)),
        "LEDGERTIDE_FILES_FOLDER": str(folder.absolute() / "files"),
        "LEDGERTIDE_WORKER_CONCURRENCY": "4",  # SQLite has one writer at a time
        **provider,
    }
    write_secret(folder / "run.env", "\n".join(f"{name}='{value}'" for name, value in values.items()))
    return values


def environment_of(folder: Path) -> dict[str, str]:
    """The environment that the embedded installation in ``folder`` last ran with; empty if it never did."""
    file = folder / "run.env"
    lines = dotenv_values(file, interpolate=False) if file.exists() else {}
    return {name: value for name, value in lines.items() if value is not None}


def _lasting(file: Path, make: Callable[[], str]) -> str:
    if not file.exists():
        write_secret(file, make())
    return file.read_text().strip()
