"""The doorbell: tells whoever listens which organisations have new events, and never more than that.

It is rung after the events were committed. One that is lost costs a listener its own patience and nothing
else: what happened stands in SQL, in order.
"""

from collections.abc import Mapping

import structlog
from celery import Celery
from kombu import Exchange, Queue

from tasks.enqueue import NOT_SENT, producer

# Whoever listens binds a queue of its own; while nobody does, nothing is kept.
EXCHANGE = Exchange("ledgertide.events", type="fanout", durable=False)
# An application that does not take its task up any more is not rung for: that would only fill Redis.
MOST_UNHEARD = 1_000

log = structlog.get_logger()


def ring(app: Celery, newest: Mapping[str, int]) -> None:
    """Tell of each organisation up to which number its events reach; never raises."""
    if not newest:
        return
    try:
        with producer(app) as sending:
            for organisation_id, sequence in newest.items():
                told = {"organisation": organisation_id, "newest": sequence}
                sending.publish(told, exchange=EXCHANGE, declare=[EXCHANGE], serializer="json", retry=False)
            if app.settings.doorbell_task and _is_heard(app):
                name = app.settings.doorbell_queue
                queue = Queue(name, Exchange(name), routing_key=name)  # the application's, not one of ours
                for organisation_id, sequence in newest.items():
                    app.send_task(
                        app.settings.doorbell_task,
                        args=(organisation_id, sequence),
                        queue=queue,
                        producer=sending,
                        retry=False,
                        ignore_result=True,
                    )
    except NOT_SENT as error:
        log.info("doorbell_not_rung", organisations=len(newest), why=type(error).__name__)


def _is_heard(app: Celery) -> bool:
    queue = app.settings.doorbell_queue
    return bool(app.services.belt.lengths([queue])[queue] < MOST_UNHEARD)
