"""One slice of the work on one decision: its calls, what they cost, and what stops it."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from connectors import errors
from connectors.http import Got
from connectors.xero.deciding import Call, Document
from store import organisations, pushes, usage
from store.database import Transaction
from store.decisions import Push
from store.pushes import PushClaim
from sync import stops
from sync.calling import Calls
from sync.services import Services
from sync.stops import Outcome

# Somebody waits: a decision is tried again sooner than a list, but one that fails whatever is done must not
# eat its organisation's day: at most some hundred calls of 1,000.
FIRST_BACK_OFF = timedelta(seconds=2)
LONGEST_BACK_OFF = timedelta(hours=1)
# So many failures in a row, which takes half an hour, are no passing trouble: a person should look.
MANY = 10
# For how long what stops it lets it wait; None: until somebody reconnects.
_WAITS = {
    "grant expired": None,
    "access removed": None,
    "permission missing": timedelta(hours=1),  # it may be given in Xero, and nobody tells us
}

T = TypeVar("T")


class Effort:
    """A claim, its calls, and whether anything of ours went out."""

    def __init__(self, services: Services, claim: PushClaim) -> None:
        self.services = services
        self.claim = claim
        self.documents = services.documents
        self.went_out = claim.sent_at is not None
        self._calls = Calls(
            services, claim.destination.connection_id, claim.lease, lambda tx: pushes.renew(tx, claim)
        )
        self.newest_event: int | None = None

    def ask(self, call: Callable[[Call], Got[T]]) -> T:
        """Make a call; it is counted whatever comes of it."""
        try:
            got = self._calls.make(lambda access: call(Call(access, self._calls.keep_lease)))
        except errors.ConnectorError as error:
            self._calls.spend(error.calls)
            raise
        self._calls.spend(got.calls)
        return got.value

    def look(self) -> Document:
        """The document as Xero has it."""
        claim = self.claim
        return self.ask(lambda call: self.documents.look(claim.destination.resource, claim.document_id, call))

    def used(self, tx: Transaction) -> None:
        """Last in a transaction: count the calls that were made so far."""
        destination = self.claim.destination
        usage.count(
            tx,
            organisation_id=destination.organisation_id,
            connection_id=destination.connection_id,
            calls=self._calls.take_spent(),
        )

    def following(self, tx: Transaction) -> tuple[Push, ...]:
        """The connection's next decision, which may have waited for this one's place."""
        connection_id = self.claim.destination.connection_id
        return tuple(pushes.unpublished(tx, 1, connection_id=connection_id))

    def back_off(self) -> timedelta:
        """Twice as long after each failure in a row, with jitter."""
        doubled = FIRST_BACK_OFF * 2.0 ** min(self.claim.attempts, 16)
        return min(LONGEST_BACK_OFF, doubled) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def reason(self) -> str:
        """Why it waits, where nothing but a failure is known."""
        return "back-off" if self.claim.attempts + 1 < MANY else "needs attention"

    def stop(self, error: errors.ConnectorError) -> Outcome:
        """It cannot go on now: why, and until when."""
        if isinstance(error, errors.RateLimitedError):
            away = error.reason == "provider unavailable"
            return self._snooze(stops.while_away() if away else error.wait, error.reason, None)
        error = stops.confirmed(self.services, self.claim.destination, error)
        named = (name for kind, name in stops.STOPS if isinstance(error, kind) and name in _WAITS)
        reason = next(named, self.reason())
        return self._snooze(_WAITS.get(reason, self.back_off()), reason, error)

    def again(self, error: dict[str, str]) -> Outcome:
        """It has to be tried again after a while, for this error as the rows keep it."""
        with self.services.database.transaction() as tx:
            return self.again_in(tx, self.back_off(), error)

    def again_in(self, tx: Transaction, wait: timedelta, error: dict[str, str]) -> Outcome:
        """The same, after this wait; last in a transaction."""
        reason = self.reason()
        pushes.snooze(tx, self.claim, wait=wait, reason=reason, error=error)
        self.used(tx)
        return Outcome("snoozed", reason)

    def _snooze(self, wait: timedelta | None, reason: str, error: errors.ConnectorError | None) -> Outcome:
        with self.services.database.transaction() as tx:
            pushes.snooze(
                tx, self.claim, wait=wait, reason=reason, error=stops.fields(error) if error else None
            )
            if isinstance(error, errors.AccessLostError):
                organisations.lose_access(tx, self._calls.link)
            self.used(tx)
        return Outcome("snoozed", reason)
