"""The live view says how fresh all is, what is left, what waits and why, and fits any terminal."""

import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from ledgertide.embedded.budgets import Budgets, Left
from ledgertide.embedded.live import summary
from ledgertide.embedded.picture import picture
from ledgertide.embedded.snapshot import Snapshot
from ledgertide.overview import STATES, group
from store.events import Event
from store.history import PressLine
from store.status import FeedLine

NOW = datetime.now(UTC)
ADDRESSES = ["Flower: http://127.0.0.1:5555", "Logs: var/log"]


def feed(number: int, state: str = "up to date", reason: str | None = None, *, late: int = -30) -> FeedLine:
    return FeedLine(
        organisation=f"a-customer-with-a-rather-long-name-{number}",
        resource="xero.organisation_actions",
        state=state,
        reason=reason,
        last_synced_at=NOW,
        last_attempt_at=NOW,
        next_sync_at=NOW + timedelta(minutes=2),
        due_at=NOW - timedelta(minutes=late),
        cadence=timedelta(hours=1),
        stretch=1,
        is_late=late > 1,
        seen=0,
        announced=None,
        error=None,
        provider_words=None,
        set_aside=0,
        vanish_held=0,
        asked=0,
        served=0,
    )


LINES = [
    *(feed(number) for number in range(170)),
    *(feed(number, "waiting for rate limit", "minute limit", late=number) for number in range(4)),
    feed(9, "waiting for rate limit", "day reserve", late=90),
]
SEEN = Snapshot(
    organisations=25,
    feeds=175,
    fresh=170,
    errors=0,
    groups=group(LINES),
    waits=Counter({"minute limit": 4, "day reserve": 1}),
    presses=[PressLine("p", "acme", "xero.contacts", 3, "cli:ann", NOW - timedelta(hours=5), served=False)],
    events=[("acme", Event("o", 7, "xero.invoices", "changed", ("a", "b"), NOW))],
    budgets=Budgets(312, 6, (Left(3, 60, "acme"), Left(5, 60, "zeta")), (Left(990, 1000, "beta"),)),
    queues={"now": 0, "upkeep": 0, "sync": 12},
)
CROWDED = replace(
    SEEN,
    groups=group(feed(number, state, "back-off", late=5) for state in STATES for number in range(60)),
    presses=SEEN.presses * 5,
    events=SEEN.events * 5,
)


def drawn(seen: Snapshot, width: int = 140, height: int = 60) -> str:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    notices = [f"12:00:0{number} something happened" for number in range(5)]
    console.print(picture(seen, width=width, height=height, addresses=ADDRESSES, notices=notices))
    return console.export_text()


def test_one_line_says_everything_that_counts() -> None:
    said = summary(SEEN)

    for words in (
        "25 organisations",
        "170/175 feeds fresh",
        "312 calls in the last minute",
        "least left this minute 3 of 60 (acme)",
        "today 990 of 1000 (beta)",
        "waits: 4 minute limit, 1 day reserve",
    ):
        assert words in said


def test_the_picture_shows_presses_events_queues_and_addresses_as_well() -> None:
    shown = drawn(SEEN)

    for words in (
        "170 of 175",
        "170 up to date",
        "5 waiting for rate limit  4 minute limit, 1 day reserve",
        "this minute 3 of 60 (acme), 5 of 60 (zeta)",
        "6 in flight",
        "sync 12",
        "acme xero.contacts by cli:ann 5 h ago: on its way",
        "acme xero.invoices 2 changed",
        "http://127.0.0.1:5555",
        "Ctrl-C",
    ):
        assert words in shown


def test_the_latest_of_what_needs_eyes_come_first_with_reason_and_until_when() -> None:
    shown = drawn(SEEN)

    line = next(line for line in shown.splitlines() if "look at" in line)
    for words in (
        "a-customer-with-a-rather-long-name-9",
        "xero.organisation_actions",
        "2 h late",
        f"until {NOW + timedelta(minutes=2):%H:%M:%S}",
        "day reserve",
    ):
        assert words in line


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (60, 12), (20, 5)])
def test_six_hundred_feeds_in_every_state_never_outgrow_the_terminal(width: int, height: int) -> None:
    lines = drawn(CROWDED, width, height).splitlines()

    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[-1].startswith("╰")


def test_a_low_terminal_keeps_every_state_and_some_of_each_that_needs_eyes() -> None:
    shown = drawn(CROWDED, 80, 24)

    assert [state for state in STATES if f"60 {state}" not in shown] == []
    assert "312 in the last minute" in shown
    assert "sync 12" in shown


def test_while_redis_is_away_both_say_so() -> None:
    away = replace(SEEN, budgets=None, queues=None)

    assert "Redis is away" in summary(away)
    assert "Redis is away" in drawn(away)
