"""At most one message waiting per feed and queue: saves work, while the claim in SQL keeps the promise."""

from collections.abc import Iterable
from datetime import timedelta

from limiter.client import connect, reaching_redis

# As long as a run's lease: a lost message must not keep the next one back for longer.
HELD_FOR = timedelta(seconds=45)
# Later than any slice: files have none, and of what is erased whatever waits is freed.
ANY = 2**31
# A copy that comes late must not free the lock of a later slice's message, which still waits.
FREE = """
for _, key in ipairs(KEYS) do
    local slice = tonumber(redis.call('GET', key))
    if slice and slice <= tonumber(ARGV[1]) then redis.call('DEL', key) end
end
"""


class QueueingLock:
    """Taken by whoever publishes a message, freed by the worker that takes the message up.

    One lock per queue and run (a feed has one open run at a time), so a press may still send on `now`
    while an older message waits on `sync`.
    Both methods raise LimiterUnavailableError when Redis is away.
    """

    def __init__(self, redis_url: str, held_for: timedelta = HELD_FOR) -> None:
        self._redis = connect(redis_url)
        self._free = self._redis.register_script(FREE)
        self._held_for = held_for

    def take(self, queue: str, run_id: str, slice_number: int = 0) -> bool:
        """True if no message of this run waits on this queue; from now on that of this slice does."""
        with reaching_redis():
            return bool(self._redis.set(_key(queue, run_id), slice_number, nx=True, px=self._held_for))

    def free(self, queue_names: Iterable[str], run_id: str, slice_number: int = ANY) -> None:
        """The message of this slice was taken up: let the next one of this run be sent.

        Freeing what is not held, or held by the message of a later slice, does nothing.
        """
        with reaching_redis():
            self._free(keys=[_key(queue, run_id) for queue in queue_names], args=[slice_number])

    def close(self) -> None:
        """Give the connections back; the locks stay."""
        self._redis.close()


def _key(queue: str, run_id: str) -> str:
    return f"ledgertide:queueing:{queue}:{run_id}"
