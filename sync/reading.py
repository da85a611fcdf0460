"""One claim's calls to the provider: a valid token, a lease that lasts, one page at a time."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from config.limits import CallClass
from connectors.connector import Connector
from connectors.dext import Call
from connectors.errors import ConnectorError, TokenExpiredError
from connectors.http import Access
from connectors.pages import Cursor, Page
from limiter.limiter import Account
from store import organisations, runs
from store.grants import StoredGrant
from store.runs import Claim, Tally
from sync.services import Services

T = TypeVar("T")


class Reader:
    """Reads pages for one claim and knows when its slice is used up."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._claim = claim
        self._began = self._renewed_at = time.monotonic()
        self._read_for = timedelta(0)
        self._grant: StoredGrant | None = None
        self._in_vain = 0
        with services.database.reading() as tx:
            self._link = organisations.link(tx, claim.connection_id)
        self._account = Account(self._link.provider, self._link.id, self._link.day_limit)

    @property
    def day_limit(self) -> int:
        """How many calls a day the connection has."""
        return self._link.day_limit or self._services.provider(self._link.provider).limits.day

    def read(self, cursor: Cursor, call_class: CallClass) -> Page:
        """The next page of the list."""
        connector, resource = self._connector, self._claim.resource
        return self._read(
            lambda access: connector.read(resource, cursor, access, call_class, self._keep_lease)
        )

    def read_alone(self, record_id: str, call_class: CallClass) -> Page:
        """One record by its id."""
        connector, resource = self._connector, self._claim.resource
        return self._read(
            lambda access: connector.read_alone(resource, record_id, access, call_class, self._keep_lease)
        )

    def ask(self, call: Callable[[Call], T], call_class: CallClass) -> T:
        """What is no list: one question to Dext, or one thing told it. `spent` counts its calls."""
        attempts = 0

        def before_attempt() -> None:
            nonlocal attempts
            self._keep_lease()
            attempts += 1

        def once(access: Access) -> T:
            nonlocal attempts
            attempts = 0  # those of a call that failed are on its error
            return call(Call(access, call_class, before_attempt))

        answer = self._read(once)
        self._in_vain += attempts
        return answer

    @property
    def _connector(self) -> Connector:
        return self._services.provider(self._link.provider).connector

    def _read(self, call: Callable[[Access], T]) -> T:
        """An expired token is refreshed once and the call repeated once."""
        began = time.monotonic()
        tokens = self._services.tokens
        self._grant = self._grant or tokens.valid(self._link.grant_id)
        try:
            answer = call(self._access(self._grant))
        except TokenExpiredError as error:
            self._in_vain += error.calls
            self._grant = tokens.renewed(self._grant)
            answer = call(self._access(self._grant))
        self._read_for = timedelta(seconds=time.monotonic() - began)
        return answer

    def _access(self, grant: StoredGrant) -> Access:
        return Access(self._account, grant.access_token, self._link.tenant_id)

    def _keep_lease(self) -> None:
        """Before each attempt: a call may take its whole deadline, so the lease must outlast it.

        Raises LeaseLostError when the run went on without us.
        """
        lease = self._claim.lease.total_seconds()
        if time.monotonic() - self._renewed_at > lease / 5:
            with self._services.database.transaction() as tx:
                runs.renew(tx, self._claim)
            self.renewed()

    def renewed(self) -> None:
        """The lease was renewed just now."""
        self._renewed_at = time.monotonic()

    def used_up(self) -> bool:
        """Whether others should have their turn before the next page."""
        pace = self._services.pace
        goes_ahead = self._claim.is_press or self._claim.lane == "now"
        length = pace.press_slice if goes_ahead else pace.slice
        return time.monotonic() - self._began > length.total_seconds()

    def tally(self, page: Page) -> Tally:
        """What this page cost, for the run's row, with the calls before it that brought nothing."""
        calls, self._in_vain = page.calls + self._in_vain, 0
        waited_ms = int(self._read_for.total_seconds() * 1000)
        return Tally(pages=1, calls=calls, bytes=page.bytes, waited_ms=waited_ms)

    def spent(self) -> int:
        """How many calls were made since this was asked last, apart from those of pages."""
        calls, self._in_vain = self._in_vain, 0
        return calls

    def calls_in_vain(self, error: ConnectorError) -> int:
        """How many calls were made for nothing before this error."""
        calls, self._in_vain = error.calls + self._in_vain, 0
        return calls
