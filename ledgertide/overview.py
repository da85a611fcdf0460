"""Many feeds at a glance: how many are in each state and why, and the few that somebody should look at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from store.status import FeedLine

STATES = (
    "never synced",
    "queued",
    "syncing",
    "up to date",
    "up to date with warnings",
    "retrying",
    "waiting for rate limit",
    "action needed",
    "disconnected",
    "off",
)
NEED_EYES = frozenset(
    {"up to date with warnings", "retrying", "waiting for rate limit", "action needed", "disconnected"}
)
WORST = 3


@dataclass(frozen=True, slots=True)
class Group:
    """All feeds in one state."""

    state: str
    feeds: int
    reasons: Counter[str]
    worst: tuple[FeedLine, ...]  # the latest first; none where nobody needs to look

    @property
    def why(self) -> str:
        """The reasons in one line, each with its number of feeds."""
        return ", ".join(f"{count} {reason}" for reason, count in self.reasons.most_common())


def group(lines: Iterable[FeedLine], *, worst: int = WORST) -> list[Group]:
    """The states that occur, in the order of the closed list."""
    by_state: dict[str, list[FeedLine]] = {state: [] for state in STATES}
    for line in lines:
        by_state[line.state].append(line)
    return [
        Group(
            state,
            len(found),
            Counter(reason for line in found if (reason := reason_of(line))),
            tuple(sorted(found, key=lambda line: line.due_at)[:worst]) if state in NEED_EYES else (),
        )
        for state, found in by_state.items()
        if found
    ]


def reason_of(line: FeedLine) -> str | None:
    """Why a feed is as it is, in a word or two; records set aside are a reason as good as any wait."""
    if line.reason == line.state:  # off, because it is off
        return None
    return line.reason or ("records set aside" if line.set_aside else None)


def is_on(line: FeedLine) -> bool:
    """Whether a feed is to be read at all."""
    return line.state != "off"


def is_fresh(line: FeedLine) -> bool:
    """Whether a feed was read within its cadence."""
    return line.last_synced_at is not None and not line.is_late
