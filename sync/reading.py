"""One claim's calls to the provider: a valid token, a lease that lasts, one page at a time."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from config.limits import CallClass
from connectors.connector import Connector
from connectors.dext import Call
from connectors.errors import ConnectorError
from connectors.http import Access
from connectors.pages import Cursor, Page
from store import runs
from store.runs import Claim, Tally
from sync.calling import Calls
from sync.services import Services

T = TypeVar("T")


class Reader:
    """Reads pages for one claim and knows when its slice is used up."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._claim = claim
        self._calls = Calls(services, claim.connection_id, claim.lease, lambda tx: runs.renew(tx, claim))
        self._began = time.monotonic()
        self._read_for = timedelta(0)

    @property
    def day_limit(self) -> int:
        """How many calls a day the connection has."""
        link = self._calls.link
        return link.day_limit or self._services.provider(link.provider).limits.day

    def read(self, cursor: Cursor, call_class: CallClass) -> Page:
        """The next page of the list."""
        connector, resource, keep_lease = self._connector, self._claim.resource, self._calls.keep_lease
        return self._read(lambda access: connector.read(resource, cursor, access, call_class, keep_lease))

    def read_alone(self, record_id: str, call_class: CallClass) -> Page:
        """One record by its id."""
        connector, resource, keep_lease = self._connector, self._claim.resource, self._calls.keep_lease
        return self._read(
            lambda access: connector.read_alone(resource, record_id, access, call_class, keep_lease)
        )

    def ask(self, call: Callable[[Call], T], call_class: CallClass) -> T:
        """What is no list: one question to Dext, or one thing told it. `spent` counts its calls."""
        attempts = 0

        def before_attempt() -> None:
            nonlocal attempts
            self._calls.keep_lease()
            attempts += 1

        def once(access: Access) -> T:
            nonlocal attempts
            attempts = 0  # those of a call that failed are on its error
            return call(Call(access, call_class, before_attempt))

        answer = self._read(once)
        self._calls.spend(attempts)
        return answer

    @property
    def _connector(self) -> Connector:
        return self._services.provider(self._calls.link.provider).connector

    def _read(self, call: Callable[[Access], T]) -> T:
        began = time.monotonic()
        answer = self._calls.make(call)
        self._read_for = timedelta(seconds=time.monotonic() - began)
        return answer

    def renewed(self) -> None:
        """The lease was renewed just now."""
        self._calls.renewed()

    def used_up(self) -> bool:
        """Whether others should have their turn before the next page."""
        pace = self._services.pace
        goes_ahead = self._claim.is_press or self._claim.lane == "now"
        length = pace.press_slice if goes_ahead else pace.slice
        return time.monotonic() - self._began > length.total_seconds()

    def tally(self, page: Page) -> Tally:
        """What this page cost, for the run's row, with the calls before it that brought nothing."""
        calls = page.calls + self._calls.take_spent()
        waited_ms = int(self._read_for.total_seconds() * 1000)
        return Tally(pages=1, calls=calls, bytes=page.bytes, waited_ms=waited_ms)

    def spent(self) -> int:
        """How many calls were made since this was asked last, apart from those of pages."""
        return self._calls.take_spent()

    def calls_in_vain(self, error: ConnectorError) -> int:
        """How many calls were made for nothing before this error."""
        return error.calls + self._calls.take_spent()
