"""What becomes of a slice that cannot go on: a reason from the closed list, and a wait in SQL."""

import random
from dataclasses import dataclass
from datetime import timedelta

from config.limits import CallClass
from config.points import reached
from connectors import errors
from connectors.oauth import Tenant
from connectors.pages import FILTER_IGNORED, UNPROVEN
from limiter.limiter import Account
from store import feeds, organisations, presses, runs
from store.database import Transaction
from store.decisions import Push
from store.organisations import Link
from store.records import Destination
from store.runs import Claim, Message
from sync.services import Services
from sync.storing import used

# What stops a run until somebody acts: reconnects, or presses (see runs.OUR_REASONS). All else backs off.
STOPS: tuple[tuple[type[errors.ConnectorError], str], ...] = (
    (errors.GrantLostError, "grant expired"),
    (errors.AccessLostError, "access removed"),
    (errors.PermissionMissingError, "permission missing"),
    (errors.UnsupportedError, "off"),
)
FLAWS: dict[str, tuple[str, errors.ConnectorError]] = {
    FILTER_IGNORED: (
        "filter ignored",
        errors.RejectedError(
            "The provider's answer is not the list that was asked for (older or unordered records); "
            "its rows were stored, nothing else was concluded. It is read again by itself.",
            code="filter_ignored",
        ),
    ),
    UNPROVEN: (
        "back-off",
        errors.TransientError(
            "The list kept changing while it was read, so nothing can be said of what was not seen; "
            "its rows were stored. It is read again by itself.",
            code="unproven",
        ),
    ),
}
FIRST_BACK_OFF = timedelta(seconds=15)
# A comparison that finds no spare budget tries again this much later.
COMPARISON_AGAIN = timedelta(hours=1)
# While the provider is unavailable beat wakes a run for each look, and all once it is back: this only keeps a
# run from sleeping for ever, should nobody. Thousands that wake to be refused would be work for nothing.
AWAY = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a slice: done, yielded, continues, or snoozed with a reason; and what to publish."""

    state: str
    reason: str | None = None
    messages: tuple[Message | Push, ...] = ()
    newest_event: int | None = None


def wait(
    services: Services,
    claim: Claim,
    error: errors.RateLimitedError,
    *,
    calls: int,
    call_class: CallClass = CallClass.SCHEDULED,
) -> Outcome:
    """No call may go now: give the slot back until then. A comparison from spare budget gives way instead.

    What a webhook told of waits for its part of the day until its list is due at the latest, and is scheduled
    work then. `calls`: what was spent in vain.
    """
    with services.database.transaction() as tx:
        if call_class is CallClass.SPARE and error.reason == "day reserve":
            ending = runs.yield_(tx, claim, again_in=COMPARISON_AGAIN)
            used(tx, claim, calls)
            return Outcome("yielded", error.reason, (ending.follow_up,) if ending.follow_up else ())
        length = while_away() if error.reason == "provider unavailable" else error.wait
        if call_class is CallClass.WEBHOOK and error.reason == "day reserve":
            length = min(length, max(claim.due_at - tx.now, timedelta(0)))
        runs.snooze(tx, claim, wait=length, reason=error.reason, calls=calls)
        reached("run.snoozed")
        used(tx, claim, calls)
    return Outcome("snoozed", error.reason)


def stop(services: Services, claim: Claim, error: errors.ConnectorError, *, calls: int = 0) -> Outcome:
    """The provider said no, or nothing: write down why, and when to try again. `calls`: spent in vain."""
    with services.database.reading() as tx:
        link = organisations.link(tx, claim.connection_id)
    error = _confirmed(services, link, error)
    reason = next((name for kind, name in STOPS if isinstance(error, kind)), "back-off")
    with services.database.transaction() as tx:
        length = _back_off(claim) if reason == "back-off" else None
        runs.snooze(tx, claim, wait=length, reason=reason, error=fields(error), calls=calls)
        reached("run.snoozed")
        if isinstance(error, errors.AccessLostError):
            organisations.lose_access(tx, link)
        if isinstance(error, errors.UnsupportedError):
            feeds.switch_off(tx, claim.feed_id, "not offered")
        used(tx, claim, calls)
    return Outcome("snoozed", reason)


def flawed(tx: Transaction, claim: Claim, flaw: str) -> Outcome:
    """The page's rows are stored, in this transaction; nothing more may be concluded from it."""
    reason, error = FLAWS[flaw]
    if flaw == UNPROVEN:
        feeds.advance(tx, claim.feed_id, full=claim.full, cursor=None, newest_at=None)
    elif not claim.full and feeds.put_off(tx, claim.feed_id):
        # A full read asks for no filter: where one is due or asked for, it is not kept waiting by this. It
        # answers who pressed meanwhile, too.
        feeds.warn(tx, claim.feed_id, code=error.code, sentence=error.sentence)
        runs.give_up(tx, claim)
        return Outcome("yielded", reason)
    runs.snooze(tx, claim, wait=_back_off(claim), reason=reason, error=fields(error))
    return Outcome("snoozed", reason)


def break_off(services: Services, claim: Claim, error: Exception) -> Outcome:
    """Something nobody foresaw: the run backs off and shows it, and goes on from its cursor."""
    said = unforeseen(error)
    if claim.records:
        with services.database.transaction() as tx:
            runs.renew(tx, claim)
            # Whatever it was, it must not come back with each look at the same record.
            presses.answer(tx, [press.id for press in claim.records], said.sentence)
    return stop(services, claim, said)


def unforeseen(error: Exception) -> errors.TransientError:
    """What to say of an error that nobody foresaw."""
    return errors.TransientError(
        f"Something unforeseen went wrong here ({type(error).__name__}); it is tried again by itself. "
        "The log has the details.",
        code="unforeseen",
    )


def confirmed(
    services: Services, claim: Claim | Destination, error: errors.ConnectorError
) -> errors.ConnectorError:
    """What a refusal comes to once the provider's own list of organisations was asked."""
    with services.database.reading() as tx:
        link = organisations.link(tx, claim.connection_id)
    return _confirmed(services, link, error)


def _confirmed(services: Services, link: Link, error: errors.ConnectorError) -> errors.ConnectorError:
    """A 403 stops a connection only when the provider's own list no longer has the organisation."""
    if not isinstance(error, errors.AccessLostError):
        return error
    try:
        tenants = _reached(services, link)
    except errors.AccessLostError:
        tenants = None  # not even the list may be seen: that says nothing about this organisation
    except errors.ConnectorError as other:
        return other
    if tenants is not None and link.tenant_id not in {tenant.id for tenant in tenants}:
        return error
    return errors.TransientError(
        "The provider refused this organisation once, but has not taken it off its list.",
        code="refused_once",
        provider_words=error.provider_words,
    )


def _reached(services: Services, link: Link) -> tuple[Tenant, ...]:
    tenants_of = services.provider(link.provider).tenants
    account = Account(link.provider, link.id, link.day_limit)
    grant = services.tokens.valid(link.grant_id)
    try:
        return tenants_of(grant.access_token, account)
    except (errors.AccessLostError, errors.TokenExpiredError):
        # The token itself is refused, not this organisation alone: a refresh shows whether the grant lives.
        return tenants_of(services.tokens.renewed(grant).access_token, account)


def fields(error: errors.ConnectorError) -> dict[str, str]:
    """An error as the rows keep it."""
    return {
        "error_code": error.code,
        "error_sentence": error.sentence,
        "error_words": error.provider_words,
    }


def while_away() -> timedelta:
    """Beat wakes one run for each look at the provider, and all of them once it is back."""
    return AWAY * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _back_off(claim: Claim) -> timedelta:
    """Twice as long after each failure in a row, with jitter, at most a cadence."""
    doubled = FIRST_BACK_OFF.total_seconds() * 2.0 ** min(claim.failures, 16)
    longest = min(claim.cadence, timedelta(seconds=doubled))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
