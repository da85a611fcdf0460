"""How this room reaches Redis: quickly or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# Two of these pass before Redis is called away, at most: one for connecting, one for the answer.
PATIENCE_SECONDS = 0.4


class LimiterUnavailableError(Exception):
    """Redis is away, so nobody may call: without the shared count a limit would soon be broken."""


def connect(redis_url: str) -> "redis.Redis":
    """A client for one process, safe to share between threads; nothing is sent before the first command."""
    return redis.Redis.from_url(
        redis_url,
        decode_responses=True,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        # Once, at once: a pooled connection may be left over from before a restart of Redis.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Turn whatever Redis refuses into LimiterUnavailableError.

    The sentence names only the kind of error: a URL, and so a password, never stands in it.
    """
    try:
        yield
    except redis.RedisError as error:
        raise LimiterUnavailableError(f"Redis cannot be reached ({type(error).__name__})") from error
