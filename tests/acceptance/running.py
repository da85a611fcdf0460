"""A whole installation started by `ledgertide run`, and what an operator can do to it."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from config.settings import Settings, environment_with, load_settings
from ledgertide.embedded.folder import environment_of
from sandbox.testing import Sandbox
from tests.services.terminal import Ended, type_there

FRESH_WITHIN = 180.0  # more than one minute's calls for some organisations
# How many there are depends on what each organisation's agreements offer.
ALL_FRESH = r"All \d+ feeds are fresh"
ENDED_WITHIN = 30.0


def until(truth: Callable[[], Any], within: float = 30.0) -> Any:
    """Look until it is true and return what it was; fail when it never is."""
    deadline = time.monotonic() + within
    while not (found := truth()):
        assert time.monotonic() < deadline, f"not true within {within} s"
        time.sleep(0.05)
    return found


class Running:
    """One installation; `types` gives a command in another terminal."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.output = folder / f"run-{time.monotonic_ns()}.out"
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                command("run", "--folder", str(folder / "var"), *words),
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment_with({}),
            )

    @property
    def said(self) -> str:
        """Everything it has printed."""
        return self.output.read_text()

    def says(self, words: str, within: float = FRESH_WITHIN) -> str:
        """Wait until it prints this; fail at once when it ends before."""

        def heard() -> re.Match[str] | None:
            found = re.search(words, self.said)
            assert found or self.process.poll() is None, self.said
            return found

        return str(until(heard, within).group(0))

    def family(self) -> list[psutil.Process]:
        """All its processes, itself left out."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it as Ctrl-C does and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(ENDED_WITHIN)

    @property
    def settings(self) -> Settings:
        """What its processes run with."""
        return load_settings(environment_of(self.folder / "var"))

    @property
    def sandbox(self) -> Sandbox:
        """Its Xero."""
        return Sandbox(self.settings.xero_api_url)

    def types(self, *words: str, **variables: str) -> Ended:
        """Give a command beside it; it finds the installation by itself, but for these variables."""
        return type_there(self.folder, words, variables)

    def asks(self, *words: str) -> Any:
        """Give a command that answers in JSON."""
        ended = self.types(*words, "--json")
        assert ended.status == 0, ended.err
        return json.loads(ended.out)

    def slugs(self) -> dict[str, str]:
        """Each organisation's slug by its tenant."""
        return {one["connections"]["xero"]["tenant_id"]: one["slug"] for one in self.asks("organisations")}


@contextmanager
def running(folder: Path, *words: str) -> Iterator[Running]:
    """Run it; whatever the test did, nothing is left."""
    started = Running(folder, *words)
    try:
        yield started
    finally:
        family = started.family() if started.process.poll() is None else []
        if started.process.poll() is None:
            try:
                started.end()
            except subprocess.TimeoutExpired:
                started.process.kill()
                started.process.wait()
        for process in family:
            if process.is_running():
                process.kill()


def command(*words: str) -> list[str]:
    """`ledgertide …` of this installation."""
    return [sys.executable, "-m", "ledgertide", *words]


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs (a zombie does not)."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
