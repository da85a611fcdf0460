"""The live view in the terminal; where there is none, a plain line now and then."""

import sys
from collections import deque
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.live import Live

from ledgertide.embedded.picture import NO_REDIS, left, picture, waits
from ledgertide.embedded.snapshot import Snapshot
from ledgertide.output import console

MOST_NOTICES = 5


class View:
    """What `run` shows: on a terminal one picture that changes, else lines."""

    seconds_between = 5.0

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses

    def __enter__(self) -> "View":
        """Begin by saying where everything is."""
        for address in self.addresses:
            self.notice(address)
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def show(self, seen: Snapshot) -> None:
        """What goes on now."""
        sys.stdout.write(f"{_clock()} {summary(seen)}\n")
        sys.stdout.flush()

    def notice(self, sentence: str) -> None:
        """Something that happened to the processes themselves."""
        sys.stdout.write(f"{_clock()} {sentence}\n")
        sys.stdout.flush()


class TerminalView(View):
    """The picture."""

    seconds_between = 1.0

    def __init__(self, addresses: list[str]) -> None:
        super().__init__(addresses)
        self._notices: deque[str] = deque(maxlen=MOST_NOTICES)
        self._console = console()
        # On a screen of its own: it is drawn over in place, and leaves what stood before as it was.
        self._live = Live(console=self._console, auto_refresh=False, screen=True)
        self._seen: Snapshot | None = None

    def __enter__(self) -> "TerminalView":
        """Draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        self._live.stop()
        if self._seen:
            self._console.print(self._picture(self._seen))

    def show(self, seen: Snapshot) -> None:
        """Draw anew."""
        self._seen = seen
        self._live.update(self._picture(seen), refresh=True)

    def notice(self, sentence: str) -> None:
        """Kept in the picture, once however often it is said in a row."""
        if not (self._notices and self._notices[-1].endswith(f" {sentence}")):
            self._notices.append(f"{_clock()} {sentence}")
        if self._seen:
            self.show(self._seen)

    def _picture(self, seen: Snapshot) -> RenderableType:
        width, height = self._console.size
        return picture(
            seen, width=width, height=height, addresses=self.addresses, notices=list(self._notices)
        )


def view(addresses: list[str]) -> View:
    """The view that fits where our output goes."""
    out = console()
    return TerminalView(addresses) if out.is_terminal and not out.is_dumb_terminal else View(addresses)


def summary(seen: Snapshot) -> str:
    """Everything that counts, in one line."""
    said = [f"{seen.organisations} organisations", f"{seen.fresh}/{seen.feeds} feeds fresh"]
    if seen.budgets is None:
        said.append(NO_REDIS)
    else:
        said += [
            f"{seen.budgets.calls_in_last_minute} calls in the last minute",
            f"least left this minute {left(seen.budgets.this_minute[:1])}",
            f"today {left(seen.budgets.today[:1])}",
        ]
    said.append(f"waits: {waits(seen)}")
    if seen.errors:
        said.append(f"{seen.errors} with errors")
    return " · ".join(said)


def _clock() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S")
