"""What anybody gets from Celery alone: a queue for presses beside a long one, each with its workers."""

import time

import requests
from celery import Celery

from config.settings import environment_with

BACKLOG, PRESSES = "plain_backlog", "plain_presses"
STARTED = "bench:plain:started"

environment = environment_with({})
app = Celery("plain", broker=environment.get("PLAIN_BROKER", "memory://"))
app.conf.update(worker_prefetch_multiplier=1, task_ignore_result=True, worker_pool="threads")


@app.task(name="plain.read")
def read(sent_at: float | None = None) -> None:
    """One request; of a press it is noted how long it had to wait for that."""
    if sent_at is not None:
        with app.connection_for_write() as connection:
            connection.default_channel.client.rpush(STARTED, time.time() - sent_at)
    requests.get(environment["PLAIN_URL"], timeout=30)


WORKER = "celery -A bench.plain worker --without-gossip --without-mingle"
COMMANDS = {
    "plain": f"{WORKER} -n plain@%h -Q {BACKLOG} -c 20",
    "plain_now": f"{WORKER} -n plain_now@%h -Q {PRESSES} -c 8",
}
