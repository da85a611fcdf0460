"""Was Redis wiped since we last looked? A random value that goes when everything goes."""

import secrets

from limiter.client import connect, reaching_redis

KEY = "ledgertide:epoch"


class Epoch:
    """The value in force since Redis was last empty; raises LimiterUnavailableError when it is away."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)

    def current(self) -> str | None:
        """The value in force, or None when Redis is new or was wiped: what was queued there is gone."""
        with reaching_redis():
            value = self._redis.get(KEY)
        return None if value is None else str(value)

    def begin(self) -> str:
        """Start a new epoch unless one is in force already (another process was first), and return it."""
        with reaching_redis():
            self._redis.set(KEY, secrets.token_hex(8), nx=True)
            return str(self._redis.get(KEY))

    def close(self) -> None:
        """Give the connections back; the epoch stays."""
        self._redis.close()
