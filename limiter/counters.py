"""Numbers that all processes count together: kept in Redis, gone with it, as a monitor's counters may be."""

from collections import Counter
from threading import Lock

from limiter.client import connect, reaching_redis

KEY = "ledgertide:counters"


class Counters:
    """Counts in memory and brings it to Redis when told to; safe to share between threads."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._lock = Lock()
        self._counted: Counter[str] = Counter()

    def count(self, name: str, number: int = 1) -> None:
        """Add to a number of this process's; nothing is sent yet."""
        with self._lock:
            self._counted[name] += number

    def flush(self) -> None:
        """Add what was counted to everybody's numbers.

        Raises LimiterUnavailableError when Redis is away; what was counted is kept for the next time.
        """
        with self._lock:
            counted, self._counted = +self._counted, Counter()
        if not counted:
            return
        try:
            with reaching_redis():
                pipeline = self._redis.pipeline(transaction=False)
                for name, number in counted.items():
                    pipeline.hincrby(KEY, name, number)
                pipeline.execute()
        except BaseException:
            with self._lock:
                self._counted += counted
            raise

    def read(self) -> dict[str, int]:
        """Everybody's numbers since Redis was last empty; raises LimiterUnavailableError when it is away."""
        with reaching_redis():
            return {str(name): int(number) for name, number in self._redis.hgetall(KEY).items()}

    def close(self) -> None:
        """Give the connections back; the numbers stay."""
        self._redis.close()
