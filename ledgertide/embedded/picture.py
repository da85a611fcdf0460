"""The live view's one screen: each line is one line, and what there is no room for is left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from ledgertide.embedded.budgets import Left
from ledgertide.embedded.snapshot import Snapshot
from ledgertide.output import ago, length
from ledgertide.overview import reason_of
from store.events import Event
from store.history import PressLine
from store.status import FeedLine

LABEL = len("organisations") + 2
FRAME = 2  # lines of the panel, above and below
BAR = 30
NARROW = 100  # no room for a resource's provider
# A long name of an organisation gives way to what is said about it, down to this.
SHORTEST = 12
GAP = 2
NO_REDIS = "Redis is away: no calls until it is back"


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines under one label; ``keep`` of them stay when there is little room."""

    label: str
    lines: Sequence[str]
    keep: int = 1
    style: str = ""


def picture(
    seen: Snapshot, *, width: int, height: int, addresses: Sequence[str], notices: Sequence[str]
) -> RenderableType:
    """What goes on now, never higher than ``height``: what matters least stands last and goes first."""
    worst = _worst(seen, width)
    parts = [
        Part("organisations", [str(seen.organisations)]),
        Part("feeds fresh", [_bar(seen)]),
        Part("states", _states(seen), keep=len(seen.groups)),
        Part("look at", worst, keep=sum(bool(one.worst) for one in seen.groups), style="yellow"),
        *_calls(seen),
        Part("notices", list(reversed(notices)), style="yellow"),
        Part("", ["Ctrl-C ends everything."], style="dim"),
        Part("where", addresses, keep=0, style="dim"),
        Part("presses", [_press(one) for one in seen.presses], keep=0),
        Part("events", [_event(*one) for one in seen.events], keep=0),
    ]
    lines = [line for part in _fitting(parts, height - FRAME) for line in _drawn(part)]
    return Panel(Group(*lines[: height - FRAME]), title="Ledgertide", title_align="left")


def waits(seen: Snapshot) -> str:
    """What waits, and why."""
    return ", ".join(f"{count} {reason}" for reason, count in seen.waits.most_common()) or "nothing"


def left(found: Iterable[Left]) -> str:
    """The tightest few."""
    return ", ".join(f"{one.calls} of {one.of} ({one.organisation})" for one in found) or "everything"


def _fitting(parts: list[Part], room: int) -> list[Part]:
    over = sum(len(part.lines) for part in parts) - room
    kept = []
    for part in reversed(parts):
        cut = max(0, min(over, len(part.lines) - part.keep))
        over -= cut
        kept.append(Part(part.label, part.lines[: len(part.lines) - cut], style=part.style))
    return kept[::-1]


def _drawn(part: Part) -> list[Text]:
    return [
        Text.assemble(
            ((part.label if place == 0 else "").ljust(LABEL), "bold"),
            (line, part.style),
            no_wrap=True,
            overflow="ellipsis",
        )
        for place, line in enumerate(part.lines)
    ]


def _bar(seen: Snapshot) -> str:
    done = BAR * seen.fresh // max(1, seen.feeds)
    return f"{'━' * done}{'╌' * (BAR - done)} {seen.fresh} of {seen.feeds}"


def _states(seen: Snapshot) -> list[str]:
    if not seen.groups:
        return ["none yet"]
    rows = [(str(one.feeds), one.state, one.why) for one in seen.groups]
    figures, state, _ = _widths(rows)
    return [f"{count:>{figures}} {name:<{state}}  {why}".rstrip() for count, name, why in rows]


def _worst(seen: Snapshot, width: int) -> list[str]:
    """The worst of each state, then the next ones, so that a short screen shows some of each."""
    turns = zip_longest(*(one.worst for one in seen.groups))
    lines = [line for turn in turns for line in turn if line is not None]
    told = [
        (
            line.resource.partition(".")[2] if width < NARROW else line.resource,
            _until(line),
            reason_of(line) or line.error or line.state,
            _late(line),
        )
        for line in lines
    ]
    room = width - FRAME - 2 - LABEL - sum(size + GAP for size in _widths(told))
    rows = [
        (_shortened(line.organisation, max(room, SHORTEST)), *cells)
        for line, cells in zip(lines, told, strict=True)
    ]
    sizes = _widths(rows)
    return [
        (" " * GAP).join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip()
        for row in rows
    ]


def _late(line: FeedLine) -> str:
    late = datetime.now(UTC) - line.due_at
    return f"{length(late)} late" if late > timedelta(0) else ""


def _until(line: FeedLine) -> str:
    if line.next_sync_at is None:
        return "until you act"
    is_far = line.next_sync_at - datetime.now(UTC) > timedelta(hours=20)
    return line.next_sync_at.strftime("until %d %b %H:%M" if is_far else "until %H:%M:%S")


def _calls(seen: Snapshot) -> list[Part]:
    if seen.budgets is None or seen.queues is None:
        return [Part("calls", [NO_REDIS], style="red")]
    return [
        Part(
            "calls",
            [f"{seen.budgets.calls_in_last_minute} in the last minute, {seen.budgets.in_flight} in flight"],
        ),
        Part(
            "least left",
            [f"this minute {left(seen.budgets.this_minute)}", f"today {left(seen.budgets.today)}"],
            keep=2,
        ),
        Part("queues", [", ".join(f"{name} {count}" for name, count in seen.queues.items())]),
    ]


def _press(press: PressLine) -> str:
    answered = "answered" if press.served else "on its way"
    return f"{press.organisation} {press.resource} by {press.pressed_by} {ago(press.pressed_at)}: {answered}"


def _event(slug: str, event: Event) -> str:
    return f"{slug} {event.resource} {len(event.ids)} {event.kind} {ago(event.happened_at)}"


def _shortened(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
