"""The live view says how fresh all is, what is left, what waits and why."""

import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console

from ledgertide.embedded.live import TerminalView, summary
from ledgertide.embedded.snapshot import Budgets, Left, Snapshot
from store.events import Event
from store.history import PressLine

NOW = datetime.now(UTC)
SEEN = Snapshot(
    organisations=25,
    feeds=175,
    fresh=170,
    records_read=0,
    states=Counter({"up to date": 170, "waiting for rate limit": 5}),
    waits=Counter({"minute limit": 4, "day reserve": 1}),
    errors=[],
    presses=[PressLine("p", "acme", "xero.contacts", 3, "cli:ann", NOW - timedelta(hours=5), served=False)],
    events=[("acme", Event("o", 7, "xero.invoices", "changed", ("a", "b"), NOW))],
    budgets=Budgets(312, 6, Left(3, 60, "acme"), Left(990, 1000, "beta")),
    queues={"now": 0, "upkeep": 0, "sync": 12},
)


def picture(seen: Snapshot) -> str:
    console = Console(width=120, height=60, record=True, file=io.StringIO())
    console.print(TerminalView(["Flower: http://127.0.0.1:5555"])._picture(seen))
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
    shown = picture(SEEN)

    for words in (
        "170 of 175",
        "4 minute limit, 1 day reserve",
        "6 in flight",
        "sync 12",
        "acme xero.contacts by cli:ann 5 h ago: on its way",
        "acme xero.invoices 2 changed",
        "http://127.0.0.1:5555",
        "Ctrl-C",
    ):
        assert words in shown


def test_while_redis_is_away_both_say_so() -> None:
    away = replace(SEEN, budgets=None, queues=None)

    assert "Redis is away" in summary(away)
    assert "Redis is away" in picture(away)
