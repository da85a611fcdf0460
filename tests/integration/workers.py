"""A real Celery worker in a thread of the test, and what lies on the real queues."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import redis
from celery import Celery
from celery.contrib.testing.worker import TestWorkController
from celery.result import _set_task_join_will_block
from celery.worker import state as worker_state

from store.runs import Message
from tests.integration.engine import Engine
from workers.queues import NAMES

PATIENCE_SECONDS = 20.0
# Celery 5.7.0 keeps results with a command that redis-py calls deprecated.
WORKER_MARK = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


@contextmanager
def app_of(engine: Engine) -> Iterator[Celery]:
    """The engine's app, ready to work as well."""
    engine.app.loader.import_default_modules()
    yield engine.app


@contextmanager
def worker(app: Celery, *, threads: int = 8, queues: Sequence[str] = NAMES) -> Iterator[None]:
    """Work on these queues, as a worker process does, until the block ends.

    It opens services of its own by its start-up signal; the app's are put back at the end. Tests that use it
    carry `WORKER_MARK`.
    """
    services = app.services
    app.set_default()  # Celery's threads look their tasks up there
    running = TestWorkController(
        app=app,
        concurrency=threads,
        pool="threads",
        queues=list(queues),
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
        ready_callback=None,
    )
    app.services.database.clock_offset = services.database.clock_offset
    thread = threading.Thread(target=running.start, daemon=True)
    thread.start()
    running.ensure_started()
    _set_task_join_will_block(False)  # a worker of its own process would not mind the test's waiting
    try:
        yield
    finally:
        worker_state.should_stop = 0  # warm: the tasks in hand end first, and with them their transactions
        thread.join(PATIENCE_SECONDS)
        worker_state.should_stop = None
        app.services.close()
        app.services = services
    assert not thread.is_alive()


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Come back when something holds; fail with its name when it does not come about."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < give_up_at, f"still not so: {what}"
        time.sleep(0.01)


class Queues:
    """The messages on the real queues, as a worker would get them."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(redis_url)

    def length(self, queue: str) -> int:
        """How many messages wait."""
        return int(self._redis.llen(queue))

    def take(self, queue: str) -> Message | None:
        """Take the next slice's message off a queue; whoever does not work on it has lost it."""
        raw = self._redis.rpop(queue)
        if raw is None:
            return None
        (run_id, slice_number), _, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
        return Message(run_id, slice_number, queue, "")

    def take_all(self, queue: str) -> list[Message]:
        """Every slice's message of a queue, in order."""
        found = []
        while message := self.take(queue):
            found.append(message)
        return found

    def tasks(self, queue: str) -> list[str]:
        """The names of the tasks waiting on a queue, the next one first."""
        waiting = self._redis.lrange(queue, 0, -1)
        return [json.loads(raw)["headers"]["task"] for raw in reversed(waiting)]

    def forget_locks(self) -> None:
        """Their time has passed: Redis's clock cannot be moved on."""
        for key in self._redis.scan_iter("ledgertide:queueing:*"):
            self._redis.delete(key)

    def wipe(self) -> None:
        """FLUSHALL."""
        self._redis.flushall()

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()
