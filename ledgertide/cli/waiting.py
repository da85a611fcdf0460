"""Shows presses on their way until they are answered: bars on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ledgertide.api import PressHandle, needs_a_person
from ledgertide.output import console, say
from store import organisations, status
from store.status import FeedLine, PressState
from sync.services import Services

LOOK_AGAIN = timedelta(milliseconds=200)
# After this long nobody seems to take messages.
UNTAKEN = timedelta(seconds=15)
HINT = "no worker has taken it yet; `ledgertide doctor` says what is wrong"


def watch(
    services: Services, handles: Sequence[PressHandle], timeout: timedelta | None, *, quiet: bool
) -> list[PressState]:
    """Come back when each is done or needs a person, or after the time-out; say meanwhile what goes on."""
    shown = Nothing() if quiet else Bars(handles) if sys.stdout.isatty() else Lines()
    began = time.monotonic()
    with shown:
        while True:
            states = [handle.state() for handle in handles]
            waited = timedelta(seconds=time.monotonic() - began)
            feeds = _feeds(services, handles)
            for handle, state in zip(handles, states, strict=True):
                feed = feeds[handle.resource]
                shown.tell(handle, state, feed, _words(state, feed, waited))
            if all(state.done or needs_a_person(state) for state in states):
                return states
            if timeout is not None and waited >= timeout:
                return states
            time.sleep(LOOK_AGAIN.total_seconds())


class Nothing:
    """Shows nothing."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""

    def tell(self, handle: PressHandle, state: PressState, feed: FeedLine, words: str) -> None:
        """Where one press stands."""


class Lines(Nothing):
    """One plain line whenever a press's state changes."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, str | None]] = {}

    def tell(self, handle: PressHandle, state: PressState, _feed: FeedLine, words: str) -> None:
        """Where one press stands, if that is news."""
        news = (state.state, state.reason or (HINT if words.endswith(HINT) else None))
        if self._told.get(handle.press) != news:
            self._told[handle.press] = news
            say(f"{handle.organisation} {handle.resource}: {words}")


class Bars(Nothing):
    """A bar over all feeds, and a line for each that is on its way."""

    def __init__(self, handles: Sequence[PressHandle]) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console(),
        )
        self._all = self._progress.add_task("feeds up to date", total=len(handles))
        self._rows = {
            one.press: self._progress.add_task(f"{one.organisation} {one.resource}", total=1)
            for one in handles
        }
        self._done: set[str] = set()

    def __enter__(self) -> None:
        """Draw."""
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        """Leave what was drawn."""
        self._progress.stop()

    def tell(self, handle: PressHandle, state: PressState, feed: FeedLine, words: str) -> None:
        """Where one press stands; how far in records only where the provider said how many there are."""
        total, completed = 1, 0
        if state.done:
            self._done.add(handle.press)
            completed = total
        elif state.state == "running" and feed.announced:
            total, completed = feed.announced, min(feed.seen, feed.announced)
        self._progress.update(
            self._rows[handle.press],
            description=f"{handle.organisation} {handle.resource}: {words}",
            total=total,
            completed=completed,
        )
        self._progress.update(self._all, completed=len(self._done))


def _feeds(services: Services, handles: Sequence[PressHandle]) -> dict[str, FeedLine]:
    """The feeds of the one organisation that was pressed for."""
    if not handles:
        return {}
    with services.database.reading() as tx:
        found = organisations.find(tx, handles[0].organisation)
        return {line.resource: line for line in status.lines(tx.scope(found.id))}


def _words(state: PressState, feed: FeedLine, waited: timedelta) -> str:
    if state.done:
        return "up to date"
    if state.state == "running":
        return f"syncing, {feed.seen} records read"
    if state.reason:
        until = f" until {state.until:%H:%M:%S} UTC" if state.until else ""
        return f"waits: {state.reason}{until}"
    if state.state == "queued" and waited > UNTAKEN:
        return f"queued: {HINT}"
    return state.state
