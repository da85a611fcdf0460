"""How many messages lie on a queue: the belt is kept short, since what waits long waits in SQL."""

from collections.abc import Sequence

from limiter.client import connect, reaching_redis


class Belt:
    """Reads the queues' lengths; raises LimiterUnavailableError when Redis is away."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)

    def lengths(self, queues: Sequence[str]) -> dict[str, int]:
        """Messages waiting per queue. Kombu keeps a queue as a Redis list of the queue's name."""
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=False)
            for queue in queues:
                pipeline.llen(queue)
            return dict(zip(queues, map(int, pipeline.execute()), strict=True))

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()
