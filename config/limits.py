"""Each provider's call limits and windows, and what each class of call leaves to the others, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class CallClass(StrEnum):
    """Why a call is made, from the one that yields first to the one that yields to nobody."""

    FILE = "file"  # the paper behind a record: it can wait for whoever reads or writes records
    SPARE = "spare"  # the regular comparison: lives on what nobody else needs today
    WEBHOOK = "webhook"  # what was told of: at the next slot it would be read anyway
    SCHEDULED = "scheduled"
    PRESS = "press"
    DECISION = "decision"


@dataclass(frozen=True)
class Leaves:
    """What a class leaves untouched for the classes above it; shares are of the whole limit, rounded up."""

    in_flight: int = 0
    minute: float = 0.0
    app: float = 0.0
    day: float = 0.0
    day_calls: int = 0  # at least this many of the day's calls


CLASSES: Mapping[CallClass, Leaves] = MappingProxyType(
    {
        CallClass.FILE: Leaves(in_flight=1, minute=12 / 60, app=0.05, day=0.50),
        CallClass.SPARE: Leaves(in_flight=1, minute=3 / 60, app=0.03, day=0.50),
        # Told of without end, a list takes 4 calls a minute: a tenth of the day is left to what is due.
        CallClass.WEBHOOK: Leaves(in_flight=1, minute=3 / 60, app=0.03, day=0.30),
        CallClass.SCHEDULED: Leaves(in_flight=1, minute=3 / 60, app=0.03, day=0.20),
        CallClass.PRESS: Leaves(day=0.02, day_calls=20),
        CallClass.DECISION: Leaves(),
    }
)


@dataclass(frozen=True)
class Outage:
    """When many failures are the provider's and not one organisation's, and how often it is then tried."""

    failures: int = 5
    connections: int = 3  # or all there are, when fewer
    within: timedelta = timedelta(seconds=30)
    probe: timedelta = timedelta(seconds=10)


# A limit that a provider does not have, or that nobody knows: a number never reached, even by what the
# classes leave of it, so that nothing that counts needs another case for it.
UNLIMITED = 1_000_000_000


def is_unlimited(left: int) -> bool:
    """Whether so many calls are left, or allowed, that nobody knows of a limit."""
    return left > UNLIMITED / 2


@dataclass(frozen=True)
class Limits:
    """One provider's limits; every number may be changed, so a test can use a minute of 3 seconds.

    `day` may be overridden for one connection (Xero's starter tier has 1,000).
    """

    in_flight: int
    minute: int
    day: int
    app_minute: int
    minute_window: timedelta = timedelta(seconds=60)
    day_window: timedelta = timedelta(hours=24)
    app_window: timedelta = timedelta(seconds=60)

    # How far the provider's clock may run slower than Redis's, as a share of the window. Nothing else has to
    # be waited for: the provider counts a call before we see its answer. NTP may slew a clock by 0.05 %; the
    # rest covers a provider that counts in parts of its window, to a quarter of a second in a minute.
    margin: float = 0.004
    # The day and the app are counted in so many parts of their window; a part comes back as a whole.
    day_parts: int = 96
    app_parts: int = 120

    # How long an unanswered call holds its place: longer than a call's total deadline of 30 s.
    lease: timedelta = timedelta(seconds=45)
    # How long from its beginning a provider may still be at a call that we gave up, or that was cut off.
    at_work: timedelta = timedelta(0)
    # How soon to ask again for a place in flight.
    busy: timedelta = timedelta(milliseconds=200)

    # After a 429 without Retry-After for too many calls in flight, or too many of the app: from, to.
    back_off: tuple[timedelta, timedelta] = (timedelta(seconds=1), timedelta(seconds=2))
    # Retry-After counts whole seconds, perhaps rounded down.
    retry_after_slack: timedelta = timedelta(seconds=1)
    # After a 429 without Retry-After for the minute, or for no limit it names; None: the minute's window.
    unsaid_pause: timedelta | None = None
    # A day's reset is never guessed: without Retry-After, one call asks so often whether it has come.
    day_probe: timedelta = timedelta(hours=1)
    # When the first call after a pause is lost, the next one may follow after this.
    lost_probe: timedelta = timedelta(seconds=10)

    outage: Outage = field(default_factory=Outage)
    classes: Mapping[CallClass, Leaves] = field(default_factory=lambda: CLASSES, hash=False)


# developer.xero.com, "Rate limits": per organisation 5 in flight, 60 a minute, 5,000 a day (1,000 on the
# starter tier); per app 10,000 a minute. How long it is at work nobody says; gateways end what takes longer
# than 30 to 60 s.
XERO = Limits(in_flight=5, minute=60, day=5_000, app_minute=10_000, at_work=timedelta(seconds=45))

# Nothing is published for the part of Dext that counts here; its one public API has 60 a minute, and a 429
# without Retry-After. No limit of a day or an app is known. Operators may change it (config/dext.py).
# https://help.dext.com/en/articles/272702-data-health-insights-api
# The lease outlives the reading of a file, 120 s. Two in flight is our own caution, not a limit that Dext has
# named: what was given up does not keep the place.
DEXT = Limits(
    in_flight=2,
    minute=60,
    day=UNLIMITED,
    app_minute=UNLIMITED,
    unsaid_pause=timedelta(seconds=60),
    lease=timedelta(seconds=135),
)

LIMITS: Mapping[str, Limits] = MappingProxyType({"xero": XERO, "dext": DEXT})
