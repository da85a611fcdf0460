"""The three clocks of a simulation (sandbox, database, Redis): moved on together, never back."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from config.limits import Limits
from limiter.client import connect
from limiter.limiter import Limiter
from sandbox.testing import Sandbox
from store.database import Database

MILLISECOND = timedelta(milliseconds=1)
AHEAD_KEY = "simulation:ahead_ms"
REDIS_TIME = "redis.call('TIME')"
# Stands before a script in which every look at Redis's clock became a look at this one.
MOVED_TIME = f"""
local function moved_time()
  local time, ahead = redis.call('TIME'), tonumber(redis.call('GET', '{AHEAD_KEY}') or 0)
  return {{time[1] + math.floor(ahead / 1000), time[2] + ahead % 1000 * 1000}}
end
"""


class Clocks:
    """How far the simulation is ahead of this machine's clock, and what has to be told when that grows.

    Keys in Redis still expire by the machine's time, which passes more slowly: whatever the limiter wrote
    lives longer than it needs to, as its scripts allow for, and never shorter.
    """

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self._movers: list[Callable[[timedelta], object]] = []

    @property
    def now(self) -> datetime:
        """The time in the simulation."""
        return datetime.now(UTC) + self.ahead

    def take_along(self, sandbox: Sandbox, redis_url: str, *databases: Database) -> Callable[[], None]:
        """Move these clocks from now on; returns what ends it."""
        client: Any = connect(redis_url)
        client.set(AHEAD_KEY, 0)

        def move_databases(length: timedelta) -> None:
            for database in databases:
                database.clock_offset += length

        self._movers = [
            lambda length: sandbox.advance(length.total_seconds()),
            lambda length: client.incrby(AHEAD_KEY, length // MILLISECOND),
            move_databases,
        ]
        return client.close  # type: ignore[no-any-return]

    def move(self, length: timedelta) -> None:
        """All clocks move on by whole milliseconds."""
        length = max(MILLISECOND, length // MILLISECOND * MILLISECOND)
        for mover in self._movers:
            mover(length)
        self.ahead += length

    def move_to(self, moment: datetime) -> None:
        """Move on to a moment; nothing happens when it has passed."""
        if (length := moment - self.now) > timedelta(0):
            self.move(length)

    def sleep(self, seconds: float) -> None:
        """What the engine would wait for, the clocks do."""
        self.move(timedelta(seconds=seconds))


class MovedLimiter(Limiter):
    """The limiter with its own scripts, for which Redis's time is ahead as the simulation's is."""

    def __init__(self, redis_url: str, limits: Mapping[str, Limits], clocks: Clocks) -> None:
        super().__init__(redis_url, limits, sleep=clocks.sleep)
        self._clocks = clocks
        self._acquire, self._answered, self._failed, self._budget = (
            self._redis.register_script(moved(script.script))
            for script in (self._acquire, self._answered, self._failed, self._budget)
        )

    def outage(self, provider: str) -> timedelta | None:
        """As the limiter's; it counts from Redis's own time, which is behind."""
        left = super().outage(provider)
        return None if left is None else max(timedelta(0), left - self._clocks.ahead)


def moved(script: Any) -> str:
    """The script with every look at Redis's clock moved on."""
    text = str(script)
    if REDIS_TIME not in text:
        raise ValueError(f"the script no longer asks for the time by {REDIS_TIME}")
    return MOVED_TIME + text.replace(REDIS_TIME, "moved_time()")
