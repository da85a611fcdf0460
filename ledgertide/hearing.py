"""Listens to the doorbell: which organisations have new events, as soon as those are committed."""

import threading
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from celery import Celery
from kombu import Connection, Consumer, Queue

from tasks.doorbell import EXCHANGE
from tasks.enqueue import NOT_SENT


class Doorbell:
    """Hears who rings while it is open.

    It misses what is rung while Redis is away or wiped, so look at the events after each wait, heard or not.
    For one thread.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._heard: dict[str, int] = {}
        self._connection: Connection | None = None

    def wait(self, patience: timedelta) -> dict[str, int]:
        """Come back when somebody rang, or after the patience: organisation's id → its newest sequence."""
        try:
            connection = self._listening()
            # Whatever is there already comes along: one answer for a burst.
            for seconds in (patience.total_seconds(), *[0.01] * 100):
                connection.drain_events(timeout=seconds)
        except TimeoutError:
            pass
        except NOT_SENT:  # Redis is away: nobody can ring, and a listener must not spin
            self.close()
            threading.Event().wait(min(patience.total_seconds(), 1.0))
        heard, self._heard = self._heard, {}
        return heard

    def close(self) -> None:
        """Listen no more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*NOT_SENT):
                connection.release()

    def __enter__(self) -> Self:
        # Only a first look subscribes: what is rung from then on is heard.
        self.wait(timedelta(milliseconds=1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listening(self) -> Connection:
        if self._connection is None:
            self._connection = self._app.connection_for_read()
            ours = Queue("", exchange=EXCHANGE, exclusive=True, auto_delete=True, durable=False)
            consumer = Consumer(
                self._connection, [ours], callbacks=[self._hear], accept=["json"], no_ack=True
            )
            consumer.consume()
        return self._connection

    def _hear(self, body: Any, _message: Any) -> None:
        organisation, newest = str(body["organisation"]), int(body["newest"])
        self._heard[organisation] = max(newest, self._heard.get(organisation, 0))
