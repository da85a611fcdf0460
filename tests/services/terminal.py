"""A terminal beside the tests: each command of ours is a process, forked where our rooms are imported."""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.settings import environment_with
from ledgertide.cli import main

ENDED_WITHIN = 120.0


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str


def type_there(folder: Path, words: Sequence[str], variables: Mapping[str, str]) -> Ended:
    """Give a command in a folder, with these settings alone in the environment, and wait for its end."""
    out, err = folder / "typed.out", folder / "typed.err"
    forks = multiprocessing.get_context("forkserver")
    process = forks.Process(target=_run, args=(folder, words, variables, out, err), daemon=True)
    process.start()
    process.join(ENDED_WITHIN)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{words} did not end within {ENDED_WITHIN} s: {err.read_text()}")
    return Ended(process.exitcode, out.read_text(), err.read_text())


def _run(folder: Path, words: Sequence[str], variables: Mapping[str, str], out: Path, err: Path) -> None:
    os.chdir(folder)
    environment = environment_with(variables)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    main(words)
