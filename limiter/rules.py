"""What one call must keep to, in the whole numbers and milliseconds that the scripts count in."""

import json
from datetime import timedelta
from math import ceil

from config.limits import CallClass, Limits


def rules(limits: Limits, call_class: CallClass = CallClass.DECISION, day: int | None = None) -> str:
    """The `rules` argument of the scripts; `day` overrides the provider's limit of the day."""
    leaves = limits.classes[call_class]
    day = limits.day if day is None else day
    return json.dumps(
        {
            "in_flight": max(1, limits.in_flight - leaves.in_flight),
            "minute": limits.minute,
            "minute_leaves": _share(leaves.minute, limits.minute),
            "minute_span": _span(limits.minute_window, limits.margin),
            "day": day,
            "day_leaves": max(leaves.day_calls, _share(leaves.day, day)),
            "day_span": _span(limits.day_window, limits.margin),
            "day_part": _milliseconds(limits.day_window / limits.day_parts),
            "day_recall": _milliseconds(min(limits.day_window, limits.day_probe)),
            "app": limits.app_minute,
            "app_leaves": _share(leaves.app, limits.app_minute),
            "app_span": _span(limits.app_window, limits.margin),
            "app_part": _milliseconds(limits.app_window / limits.app_parts),
            "lease": _milliseconds(limits.lease),
            "at_work": _milliseconds(limits.at_work),
            "busy": _milliseconds(limits.busy),
            "lost_probe": _milliseconds(limits.lost_probe),
            "outage_failures": limits.outage.failures,
            "outage_connections": limits.outage.connections,
            "outage_within": _milliseconds(limits.outage.within),
            "outage_probe": _milliseconds(limits.outage.probe),
        }
    )


def _span(window: timedelta, margin: float) -> int:
    """How long a token stays away after its answer; one more because Redis's time is cut to milliseconds."""
    return _milliseconds(window * (1 + margin)) + 1


def _milliseconds(length: timedelta) -> int:
    return max(1, ceil(length / timedelta(milliseconds=1)))


def _share(share: float, limit: int) -> int:
    """A share of a limit, rounded up; 3/60 of 60 is 3 whatever floating point makes of it."""
    return ceil(round(share * limit, 6))
