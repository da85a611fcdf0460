"""Signs of life: a process that goes round notes each turn, and a doctor asks how long ago the last was."""

from datetime import timedelta

from limiter.client import connect, reaching_redis

KEPT = timedelta(hours=1)


class Pulse:
    """Raises LimiterUnavailableError when Redis is away."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)

    def beat(self, name: str) -> None:
        """Another turn was made."""
        with reaching_redis():
            self._redis.set(_key(name), "1", px=_milliseconds(KEPT))

    def age(self, name: str) -> timedelta | None:
        """How long ago the last turn was, by Redis's clock; None when none is known of the last hour."""
        with reaching_redis():
            left = int(self._redis.pttl(_key(name)))
        return KEPT - timedelta(milliseconds=left) if left >= 0 else None

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()


def _key(name: str) -> str:
    return f"ledgertide:pulse:{name}"


def _milliseconds(length: timedelta) -> int:
    return int(length / timedelta(milliseconds=1))
