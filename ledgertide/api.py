"""The Python door: press *Sync now*, wait for the receipt, read events."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from celery import Celery

from config.settings import load_settings
from ledgertide.hearing import Doorbell
from store import events as event_feed
from store import organisations, status
from store.events import Event, EventsGoneError
from store.organisations import Organisation
from store.presses import Press
from store.status import PressState
from sync.services import Services
from tasks import enqueue
from tasks.enqueue import SyncRefusedError
from tasks.process import open_for
from workers.celery import make_app

__all__ = [
    "Doorbell",
    "EventsGoneError",
    "PressHandle",
    "SyncRefusedError",
    "all_organisations",
    "doorbell",
    "events",
    "newest_event",
    "refresh",
    "sync_all",
    "sync_full",
    "sync_now",
]

LOOK_AGAIN = timedelta(milliseconds=200)


@dataclass(frozen=True, slots=True)
class PressHandle:
    """The receipt of a press: done when a run whose first read came after it has ended well.

    For a single record: when that was read, or the provider refused it (then the state's `error` says why).

    `reason` and `waits_until` say what it waits for, if it cannot start at once.
    """

    press: str
    organisation: str
    resource: str
    generation: int
    reason: str | None
    waits_until: datetime | None
    _services: Services = field(repr=False)
    _organisation_id: str = field(repr=False)

    def state(self) -> PressState:
        """How far it has come."""
        with self._services.database.reading() as tx:
            return status.press_state(tx.scope(self._organisation_id), self.press)

    def wait(self, timeout: timedelta | None = None) -> PressState:
        """Come back when it is done, when only a person can help, or after the time-out; look at `.done`."""
        give_up_at = None if timeout is None else time.monotonic() + timeout.total_seconds()
        while True:
            state = self.state()
            if state.done or needs_a_person(state):
                return state
            if give_up_at is not None and time.monotonic() >= give_up_at:
                return state
            time.sleep(LOOK_AGAIN.total_seconds())


class Door:
    """The presses, for whoever has an app with its services open already.

    The functions below use this process's own.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._services: Services = app.services

    def sync_now(
        self, organisation: str, resource: str, *, by: str, idempotency_key: str | None = None
    ) -> PressHandle:
        """As the function `sync_now`."""
        press = enqueue.press(self._app, organisation, resource, by=by, idempotency_key=idempotency_key)
        return self._handle(organisation, press)

    def sync_full(
        self, organisation: str, resource: str, *, by: str, idempotency_key: str | None = None
    ) -> PressHandle:
        """As the function `sync_full`."""
        press = enqueue.press(
            self._app, organisation, resource, by=by, full=True, idempotency_key=idempotency_key
        )
        return self._handle(organisation, press)

    def refresh(
        self,
        organisation: str,
        resource: str,
        record_id: str,
        *,
        by: str,
        idempotency_key: str | None = None,
    ) -> PressHandle:
        """As the function `refresh`."""
        press = enqueue.press(
            self._app,
            organisation,
            resource,
            by=by,
            record_id=record_id,
            idempotency_key=idempotency_key,
        )
        return self._handle(organisation, press)

    def sync_all(self, organisation: str, *, by: str) -> list[PressHandle]:
        """As the function `sync_all`."""
        presses = enqueue.press_all(self._app, organisation, by=by)
        return [self._handle(organisation, press) for press in presses]

    def _handle(self, organisation: str, press: Press) -> PressHandle:
        with self._services.database.reading() as tx:
            found = organisations.find(tx, organisation)
        return PressHandle(
            press.id,
            found.slug,
            press.resource,
            press.generation,
            press.reason,
            press.waits_until,
            self._services,
            found.id,
        )


def sync_now(
    organisation: str, resource: str, *, by: str = "python", idempotency_key: str | None = None
) -> PressHandle:
    """Bring one feed up to date, ahead of all scheduled work.

    The organisation goes by its slug, its id, or its name when only one bears it. A press is never
    lost and never doubled; the same `idempotency_key` for the same feed is the same press.
    Raises SyncRefusedError, with what to do, when there is no such organisation or resource, and when an
    argument is no text of 1 to 255 characters.
    """
    return Door(process_app()).sync_now(organisation, resource, by=by, idempotency_key=idempotency_key)


def sync_full(
    organisation: str, resource: str, *, by: str = "python", idempotency_key: str | None = None
) -> PressHandle:
    """Read the feed's whole list and compare it with the store; done when that read is complete."""
    return Door(process_app()).sync_full(organisation, resource, by=by, idempotency_key=idempotency_key)


def refresh(
    organisation: str,
    resource: str,
    record_id: str,
    *,
    by: str = "python",
    idempotency_key: str | None = None,
) -> PressHandle:
    """Read one record again, alone, ahead of all scheduled work: by one call, whatever else is due.

    `record_id` is the provider's, such as an InvoiceID. Raises SyncRefusedError as `sync_now` does, and for a
    resource whose records the provider does not give one by one.
    """
    return Door(process_app()).refresh(
        organisation, resource, record_id, by=by, idempotency_key=idempotency_key
    )


def sync_all(organisation: str, *, by: str = "python") -> list[PressHandle]:
    """Press every feed that the provider offers an organisation; a wait of one holds up no other.

    Raises SyncRefusedError when there is no such organisation.
    """
    return Door(process_app()).sync_all(organisation, by=by)


def events(organisation: str, *, after: int | None = None, limit: int = 1000) -> Iterator[Event]:
    """The organisation's changes after a sequence, in order: ask again after the last one you kept.

    Without `after`, from the oldest that is kept. Raises EventsGoneError, and never skips, when some of those
    asked for are no longer kept.
    """
    services: Services = process_app().services
    with services.database.reading() as tx:
        scope = tx.scope(organisations.find(tx, organisation).id)
        found = list(event_feed.read(scope, after=after, limit=limit))
    yield from found


def newest_event(organisation: str) -> int:
    """The sequence of the organisation's last event; 0 before the first."""
    services: Services = process_app().services
    with services.database.reading() as tx:
        return event_feed.newest(tx.scope(organisations.find(tx, organisation).id))


def doorbell() -> Doorbell:
    """Hear of new events as they come: `with doorbell() as bell: bell.wait(timedelta(seconds=30))`."""
    return Doorbell(process_app())


def all_organisations() -> list[Organisation]:
    """Everybody who is or was connected, with id, slug and name."""
    services: Services = process_app().services
    with services.database.reading() as tx:
        return organisations.everyone(tx)


def needs_a_person(state: PressState) -> bool:
    """Whether no time will bring it on: somebody has to reconnect, or to allow what is missing."""
    return state.state == "snoozed" and state.until is None


@cache
def process_app() -> Celery:
    """This process's app with its services, from the environment, opened at the first use."""
    settings = load_settings()
    app = make_app(settings)
    open_for(app, settings)
    return app
