"""At most one message waiting per feed and queue: saves work, while the claim in SQL keeps the promise."""

from collections.abc import Iterable
from datetime import timedelta

from limiter.client import connect, reaching_redis

# As long as a run's lease: a lost message must not keep the next one back for longer.
HELD_FOR = timedelta(seconds=45)


class QueueingLock:
    """Taken by whoever publishes a message, freed by the worker that takes the message up.

    One lock per queue and run (a feed has one open run at a time), so a press may still send on `now`
    while an older message waits on `sync`.
    Both methods raise LimiterUnavailableError when Redis is away.
    """

    def __init__(self, redis_url: str, held_for: timedelta = HELD_FOR) -> None:
        self._redis = connect(redis_url)
        self._held_for = held_for

    def take(self, queue: str, run_id: str) -> bool:
        """True if no message of this run waits on this queue, which is from now on taken as waiting."""
        with reaching_redis():
            return bool(self._redis.set(_key(queue, run_id), 1, nx=True, px=self._held_for))

    def free(self, queue_names: Iterable[str], run_id: str) -> None:
        """Let the next message of this run be sent; freeing what is not held does nothing."""
        keys = [_key(queue, run_id) for queue in queue_names]
        if keys:
            with reaching_redis():
                self._redis.delete(*keys)

    def close(self) -> None:
        """Give the connections back; the locks stay."""
        self._redis.close()


def _key(queue: str, run_id: str) -> str:
    return f"ledgertide:queueing:{queue}:{run_id}"
