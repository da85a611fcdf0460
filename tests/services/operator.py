"""Somebody at a terminal: gives commands of ours inside the test's own process, which is quick."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from config.settings import PREFIX
from ledgertide.cli.app import run
from tests.services.terminal import Ended


class Operator:
    """Somebody at a terminal in an empty folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def types(self, *words: str, given: str = "", **variables: str) -> Ended:
        """Give a command, with these settings alone in the environment."""
        with self._monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(PREFIX)]:
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.StringIO(given))
            self._capsys.readouterr()
            status = run(words)
        return Ended(status, *self._capsys.readouterr())


@pytest.fixture
def operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Operator]:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Operator(monkeypatch, capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
