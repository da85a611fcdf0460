"""The one door to the queue: presses become rows first, then messages.

Whoever sends says by which app: its broker is ours, and `app.services` are this process's.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import KombuError

from config.points import reached
from connectors.errors import ConfigurationError
from limiter.client import LimiterUnavailableError
from store import dispatch, duties, organisations, presses
from store.database import DatabaseUnavailableError
from store.decisions import Push
from store.presses import Press
from store.runs import Message
from sync.services import Services

log = structlog.get_logger()
BATCH = 500
# As long as what the database keeps of who pressed, and by which key.
LONGEST = 255
# The broker is away or refuses, all connections to it are in use, or a batch broke off half-way.
NOT_SENT = (LimiterUnavailableError, KombuError, OSError)


class SyncRefusedError(Exception):
    """A press cannot be taken; the sentence says why and what to do."""


def press(
    app: Celery,
    organisation: str,
    resource: str,
    *,
    by: str,
    full: bool = False,
    record_id: str | None = None,
    idempotency_key: str | None = None,
) -> Press:
    """*Sync now* for one feed, or for one record of it: on record first, so that nothing can lose it.

    Joins the run that waits, or makes sure that one follows the run that reads already.
    Raises SyncRefusedError for an unknown organisation or resource, and for what is no name at all.
    """
    check_texts(
        organisation=organisation,
        resource=resource,
        by=by,
        record_id=record_id,
        idempotency_key=idempotency_key,
    )
    receipt = _record(
        app.services,
        organisation,
        resource,
        by=by,
        full=full,
        record_id=record_id,
        idempotency_key=idempotency_key,
    )
    reached("press.recorded")
    publish(app, receipt.messages)
    return receipt


def press_all(app: Celery, organisation: str, *, by: str, idempotency_key: str | None = None) -> list[Press]:
    """*Sync now* for every feed that the provider offers an organisation, reference data first.

    Each feed's press is recorded by itself, under the same key; then all are sent at once. What was recorded
    before the database went away stays, and is sent.
    """
    check_texts(organisation=organisation, by=by, idempotency_key=idempotency_key)
    services = app.services
    try:
        with services.database.reading() as tx:
            resources = organisations.resources(tx, organisations.find(tx, organisation))
    except organisations.UnknownOrganisationError as error:
        raise SyncRefusedError(str(error)) from error
    receipts: list[Press] = []
    try:
        for resource in resources:
            receipt = _record(services, organisation, resource, by=by, idempotency_key=idempotency_key)
            receipts.append(receipt)
    finally:
        publish(app, [message for receipt in receipts for message in receipt.messages])
    return receipts


def check_texts(
    *,
    record_id: str | None = None,
    idempotency_key: str | None = None,
    seen_status: str | None = None,
    **required: object,
) -> None:
    """Refuse what no database of ours can look up or keep, whatever the types of the caller promise."""
    optional = {"record_id": record_id, "idempotency_key": idempotency_key, "seen_status": seen_status}
    given = required | {name: value for name, value in optional.items() if value is not None}
    for name, value in given.items():
        what = name.replace("_", " ")
        if not isinstance(value, str):
            raise SyncRefusedError(f"The {what} must be text, not {type(value).__name__}.")
        if not 1 <= len(value) <= LONGEST:
            raise SyncRefusedError(
                f"The {what} must have 1 to {LONGEST} characters; this one has {len(value)}."
            )
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise SyncRefusedError(f"The {what} has a character in it that no text may have: {value!r}.")
    if record_id is not None and not record_id.strip("."):
        raise SyncRefusedError(f"No record has the id {record_id!r}.")


def _record(
    services: Services,
    organisation: str,
    resource: str,
    *,
    by: str,
    full: bool = False,
    record_id: str | None = None,
    idempotency_key: str | None = None,
) -> Press:
    try:
        with services.database.transaction() as tx:
            feed_id = organisations.feed_of(tx, organisations.find(tx, organisation), resource)
            if record_id is not None and not _is_read_alone(services, resource):
                raise SyncRefusedError(
                    f"{resource} has no records that can be read alone: use sync-now, it is one call."
                )
            return presses.press(
                tx, feed_id, by=by, full=full, record_id=record_id, idempotency_key=idempotency_key
            )
    except (
        organisations.UnknownOrganisationError,
        organisations.UnknownResourceError,
        presses.KeyUsedError,
        ConfigurationError,
    ) as error:
        raise SyncRefusedError(str(error)) from error


def _is_read_alone(services: Services, resource: str) -> bool:
    endpoint = services.provider(resource).connector.endpoints.get(resource)
    return endpoint is not None and endpoint.alone


def publish(app: Celery, messages: Sequence[Message | Push]) -> int:
    """Send messages to their queues; what cannot be sent now, beat sends when the queue is back.

    Returns how many were sent. While a message of the same run or decision waits on a queue, no second one
    is sent.
    """
    services = app.services
    taken: list[Message | Push] = []
    try:
        for message in messages:
            if services.queueing_lock.take(message.lane, message.id, message.slice):
                taken.append(message)  # noqa: PERF401 - what was taken counts when the next one fails
        if taken:
            reached("publish.locked")
            _send(app, taken)
            reached("publish.sent")
    except NOT_SENT as error:
        log.warning("queue_unavailable", messages=len(messages), why=type(error).__name__)
        _take_back(services, messages, taken)
        return 0
    return len(taken)


def send_duties(app: Celery, names: Sequence[str]) -> None:
    """Send upkeep duties to their queue; what cannot be sent now stays due."""
    for name in names:
        try:
            # Without `ignore_result` Celery would listen for an answer first: for 20 s when Redis is away.
            with producer(app) as sending:
                app.send_task(name, producer=sending, retry=False, ignore_result=True)
        except NOT_SENT as error:
            log.warning("queue_unavailable", duty=name, why=type(error).__name__)
            with app.services.database.transaction() as tx:
                duties.owe(tx, name)


def send_fetches(app: Celery, connection_ids: Sequence[str]) -> int:
    """Let these connections fetch files; one message of each waits at most. Returns how many were sent."""
    lock, sent = app.services.queueing_lock, 0
    try:
        for connection_id in connection_ids:
            if lock.take("files", connection_id):
                with producer(app) as sending:
                    app.send_task("files.fetch", (connection_id,), producer=sending, retry=False)
                sent += 1
    except NOT_SENT as error:
        log.warning("queue_unavailable", fetches=len(connection_ids), why=type(error).__name__)
    return sent


def _send(app: Celery, messages: Iterable[Message | Push]) -> None:
    with producer(app) as sending, sending.batch(BATCH):
        for message in messages:
            task = app.tasks["decisions.slice" if isinstance(message, Push) else "sync.slice"]
            task.apply_async((message.id, message.slice), queue=message.lane, producer=sending, retry=False)


@contextlib.contextmanager
def producer(app: Celery) -> Iterator[Any]:
    """Celery's own pool of producers would wait for ever when all connections are in use."""
    with app.pool.acquire(block=True, timeout=1) as connection:
        yield app.amqp.Producer(connection)


def _take_back(
    services: Services, messages: Sequence[Message | Push], locked: Sequence[Message | Push]
) -> None:
    """As if nobody had tried: beat may send them at its next tick. One that did get through does no harm."""
    with contextlib.suppress(LimiterUnavailableError):  # then the locks run out by themselves
        for message in locked:
            services.queueing_lock.free([message.lane], message.id, message.slice)
    try:
        with services.database.transaction() as tx:
            dispatch.mark_published(tx, [message.id for message in messages], None)
    except DatabaseUnavailableError as error:
        # Beat takes them for lost after a while.
        log.warning("database_unavailable", messages=len(messages), why=str(error))
