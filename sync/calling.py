"""Calls for one claim: a valid token, refreshed once where it is used up, and a lease that lasts."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from connectors.errors import TokenExpiredError
from connectors.http import Access
from limiter.limiter import Account
from store import organisations
from store.database import Transaction
from store.grants import StoredGrant
from sync.services import Services

T = TypeVar("T")


class Calls:
    """Makes one claim's calls. `renew` proves in a transaction that the claim is still ours, or raises."""

    def __init__(
        self, services: Services, connection_id: str, lease: timedelta, renew: Callable[[Transaction], None]
    ) -> None:
        self._services = services
        self._lease = lease
        self._renew = renew
        self._renewed_at = time.monotonic()
        self._grant: StoredGrant | None = None
        self._spent = 0
        with services.database.reading() as tx:
            self.link = organisations.link(tx, connection_id)
        self._account = Account(self.link.provider, self.link.id, self.link.day_limit)

    def make(self, call: Callable[[Access], T]) -> T:
        """An expired token is refreshed once and the call repeated once."""
        tokens = self._services.tokens
        self._grant = self._grant or tokens.valid(self.link.grant_id)
        try:
            return call(self._access(self._grant))
        except TokenExpiredError as error:
            self._spent += error.calls
            self._grant = tokens.renewed(self._grant)
            return call(self._access(self._grant))

    def keep_lease(self) -> None:
        """Before each attempt: a call may take its whole deadline, so the lease must outlast it.

        Raises LeaseLostError when somebody else goes on without us.
        """
        if time.monotonic() - self._renewed_at > self._lease.total_seconds() / 5:
            with self._services.database.transaction() as tx:
                self._renew(tx)
            self.renewed()

    def spend(self, calls: int) -> None:
        """Count calls that nothing else tells of; those in vain for a used-up token are counted already."""
        self._spent += calls

    def take_spent(self) -> int:
        """How many such calls there were since this was asked last."""
        calls, self._spent = self._spent, 0
        return calls

    def renewed(self) -> None:
        """The lease was renewed just now."""
        self._renewed_at = time.monotonic()

    def _access(self, grant: StoredGrant) -> Access:
        return Access(self._account, grant.access_token, self.link.tenant_id)
