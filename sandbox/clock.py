"""The sandbox's own time: the machine's, moved on when asked."""

import time
from email.utils import formatdate


class Clock:
    """Seconds since the epoch; everything in the sandbox that has a date asks this clock."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        """Epoch seconds."""
        return time.time() + self.offset

    def now_ms(self) -> int:
        """Whole milliseconds, as Xero stamps its records."""
        return int(self.now() * 1000)

    def advance(self, seconds: float) -> None:
        """Move on; tokens age, windows pass, new stamps are later."""
        self.offset += seconds

    def http_date(self) -> str:
        """The time as the `Date` header spells it."""
        return formatdate(self.now(), usegmt=True)
