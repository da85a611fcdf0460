"""What a 429 means: which budget it names, who has to pause for how long, and what to call it."""

import random
from dataclasses import dataclass
from datetime import timedelta

from config.limits import Limits


@dataclass(frozen=True)
class Pause:
    """Nobody calls for `wait`; then one call every `again`, until an answer lifts it."""

    whose: str  # "connection" or "app"
    wait: timedelta
    again: timedelta
    reason: str


def pause_after(problem: str, retry_after: timedelta | None, limits: Limits) -> Pause:
    """The pause for a 429 whose X-Rate-Limit-Problem is `problem`; an unknown one counts as the minute's."""
    told = None if retry_after is None else retry_after + limits.retry_after_slack
    match problem.strip().lower():
        case "concurrent":
            moment = told or _moment(limits)
            return Pause("connection", moment, moment, "backlog")
        case "appminute":
            moment = told or _moment(limits)
            return Pause("app", moment, moment, "app limit")
        case "day":
            again = limits.lost_probe if told else limits.day_probe
            return Pause("connection", told or limits.day_probe, again, "day limit")
        case _:
            window = limits.minute_window * (1 + limits.margin)
            return Pause(
                "connection", told or limits.unsaid_pause or window, limits.lost_probe, "minute limit"
            )


def _moment(limits: Limits) -> timedelta:
    """Somewhere in the back-off's range, so that workers refused together do not come back together."""
    shortest, longest = limits.back_off
    return shortest + (longest - shortest) * random.random()  # noqa: S311 - spreads, protects nothing
