"""Lets a test that measures time run with no other test beside it, whichever worker has it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold a place among the running tests; ``alone`` waits for all others and keeps them out.

    Whoever comes passes the gate first, so one who waits to be alone is not overtaken for ever.
    """
    with (folder / "gate.lock").open("w") as gate, (folder / "turn.lock").open("w") as place:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(place, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
