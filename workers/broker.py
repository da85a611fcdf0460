"""Lets a worker outlive its broker: what kombu does with unacknowledged messages once Redis is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis


class QoS(redis.QoS):  # type: ignore[misc]  # kombu has no types
    """Gives messages back, and acknowledges them, where there is a connection to do it by.

    kombu 5.7 looks for the address of a connection that was given up long ago: an AttributeError, by which
    Celery ends the whole worker. Nothing is lost with the messages: SQL is the queue, and sends again.
    """

    def restore_unacked(self, client: Any = None) -> None:
        """As far as Redis can still be reached."""
        if self._is_cut_off():
            self._delivered.clear()
        else:
            super().restore_unacked(client)

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        """Raises ConnectionError, which Celery expects of a connection that is gone."""
        if pipe is None and self._is_cut_off():
            raise ConnectionError("Its connection to Redis was given up.")
        with super().pipe_or_acquire(pipe, client) as found:
            yield found

    def _is_cut_off(self) -> bool:
        connection = self.channel.connection
        return connection is None or connection.client is None


def outlive_redis() -> None:
    """For a process that is all ours; the channel has no setting for it."""
    redis.Channel.QoS = QoS
