"""The live view in the terminal; where there is none, a plain line now and then."""

import sys
from collections import deque
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ledgertide.embedded.snapshot import Left, Snapshot
from ledgertide.output import ago, console

MOST_NOTICES = 5
LABEL = len("organisations")


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
        self._live = Live(console=console(), auto_refresh=False, screen=False)

    def __enter__(self) -> "TerminalView":
        """Draw."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def show(self, seen: Snapshot) -> None:
        """Draw anew."""
        self._live.update(self._picture(seen), refresh=True)

    def notice(self, sentence: str) -> None:
        """Kept under the picture."""
        self._notices.append(f"{_clock()} {sentence}")

    def _picture(self, seen: Snapshot) -> RenderableType:
        # A low terminal cuts the end off: what happened lately is what one can do without.
        parts: list[RenderableType] = [_figures(seen)]
        parts += [Text(line, style="dim") for line in (*self.addresses, "Ctrl-C ends everything.")]
        parts += [Text(line, style="yellow") for line in self._notices]
        parts.append(_lately(seen))
        return Panel(Group(*parts), title="Ledgertide", title_align="left")


def view(addresses: list[str]) -> View:
    """The view that fits where our output goes."""
    return TerminalView(addresses) if sys.stdout.isatty() else View(addresses)


def summary(seen: Snapshot) -> str:
    """Everything that counts, in one line."""
    said = [f"{seen.organisations} organisations", f"{seen.fresh}/{seen.feeds} feeds fresh"]
    if seen.budgets is None:
        said.append("Redis is away: no calls until it is back")
    else:
        said += [
            f"{seen.budgets.calls_in_last_minute} calls in the last minute",
            f"least left this minute {_left(seen.budgets.least_this_minute)}",
            f"today {_left(seen.budgets.least_today)}",
        ]
    said.append(f"waits: {waits(seen)}")
    if seen.errors:
        said.append(f"{len(seen.errors)} with errors")
    return " · ".join(said)


def waits(seen: Snapshot) -> str:
    """What waits, and why."""
    return ", ".join(f"{count} {reason}" for reason, count in seen.waits.most_common()) or "nothing"


def _figures(seen: Snapshot) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True, min_width=LABEL)
    grid.add_column()
    grid.add_row("organisations", str(seen.organisations))
    fresh = Table.grid(padding=(0, 1))
    fresh.add_row(
        ProgressBar(total=max(1, seen.feeds), completed=seen.fresh, width=30),
        f"{seen.fresh} of {seen.feeds}",
    )
    grid.add_row("feeds fresh", fresh)
    states = ", ".join(f"{count} {state}" for state, count in seen.states.most_common())
    grid.add_row("states", states or "none yet")
    grid.add_row("waits", waits(seen))
    if seen.budgets is None or seen.queues is None:
        grid.add_row("calls", "Redis is away: no calls until it is back")
        return grid
    grid.add_row(
        "calls", f"{seen.budgets.calls_in_last_minute} in the last minute, {seen.budgets.in_flight} in flight"
    )
    grid.add_row("least left", f"this minute {_left(seen.budgets.least_this_minute)}")
    grid.add_row("", f"today {_left(seen.budgets.least_today)}")
    grid.add_row("queues", ", ".join(f"{name} {length}" for name, length in seen.queues.items()))
    return grid


def _lately(seen: Snapshot) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True, min_width=LABEL)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for place, press in enumerate(seen.presses):
        answered = "answered" if press.served else "on its way"
        what = (
            f"{press.organisation} {press.resource} by {press.pressed_by} {ago(press.pressed_at)}: {answered}"
        )
        grid.add_row("presses" if place == 0 else "", what)
    for place, (slug, event) in enumerate(seen.events):
        what = f"{slug} {event.resource} {len(event.ids)} {event.kind} {ago(event.happened_at)}"
        grid.add_row("events" if place == 0 else "", what)
    for place, line in enumerate(seen.errors[:3]):
        grid.add_row("errors" if place == 0 else "", f"{line.organisation} {line.resource}: {line.error}")
    return grid


def _left(left: Left | None) -> str:
    return "unknown" if left is None else f"{left.calls} of {left.of} ({left.organisation})"


def _clock() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S")
