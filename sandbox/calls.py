"""Remembers every call that was answered, in the order in which they ended."""

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any

REMEMBERED = 200_000


@dataclass
class Call:
    """One call, from its arrival to the end of its answer; `status` None: no answer left us."""

    at: float
    tenant: str | None
    endpoint: str
    method: str
    path: str
    query: str
    if_modified_since: str | None
    agent: str = ""  # who calls, by its own name
    key: str | None = None  # a write's Idempotency-Key
    digest: str = ""  # of a write: where and what, so that two of them can be told apart
    body: str | None = None  # what a write sent; of a file, its length alone
    in_flight: int = 0
    status: int | None = None
    problem: str | None = None
    fault: str | None = None
    rows: int = 0
    seconds: float = 0.0


class Calls:
    """The log; `last` counts every call there ever was."""

    def __init__(self) -> None:
        self.last = 0
        self._ended: deque[Call] = deque(maxlen=REMEMBERED)

    def end(self, call: Call) -> None:
        """Write down a call that has ended."""
        self.last += 1
        self._ended.append(call)

    def after(self, number: int) -> list[dict[str, Any]]:
        """Calls from `number` + 1 on, each with its number `n`; the oldest are forgotten in time."""
        first = self.last - len(self._ended) + 1
        skipped = max(0, number + 1 - first)
        calls = islice(self._ended, skipped, None)
        return [{"n": first + skipped + place, **vars(call)} for place, call in enumerate(calls)]
