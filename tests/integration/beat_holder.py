"""A beat that takes its turn and then holds it, until it is killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store import markers
from store.database import Database


@contextmanager
def holding_a_turn(database_url: str) -> Iterator["subprocess.Popen[str]"]:
    """A process in the middle of its turn."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.beat_holder"],
        cwd=Path(__file__).parent.parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(database_url + "\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "True"
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    with Database(sys.stdin.readline().strip()).transaction() as tx:
        sys.stdout.write(f"{markers.begin_turn(tx)}\n")
        sys.stdout.flush()
        sys.stdin.read()
