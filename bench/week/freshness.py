"""How old what is stored was, seen over the whole time: by resource, with and without the troubles."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from bench.week.people import People
from bench.week.watch import Feed

SAMPLED_EVERY = timedelta(minutes=5)
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Freshness:
    """One resource: the age of what is stored, counted from the first read that brought it."""

    resource: str
    middle: timedelta
    worst: timedelta
    middle_in_all: timedelta  # troubles included
    worst_in_all: timedelta


def freshness(
    reads: dict[Feed, list[Any]], people: People, began_at: datetime, ended_at: datetime
) -> list[Freshness]:
    """One row per resource."""
    quiet: dict[str, list[timedelta]] = defaultdict(list)
    every: dict[str, list[timedelta]] = defaultdict(list)
    for feed, found in reads.items():
        troubles = _troubles(feed, people)
        for at, age in _ages(found, began_at, ended_at):
            every[feed[1]].append(age)
            # What was read before a trouble ended is as old as the trouble made it.
            if not any(begin <= at and at - age <= end for begin, end in troubles):
                quiet[feed[1]].append(age)
    return [
        Freshness(resource, *_middle_and_worst(quiet[resource]), *_middle_and_worst(ages))
        for resource, ages in sorted(every.items())
    ]


def _middle_and_worst(ages: list[timedelta]) -> tuple[timedelta, timedelta]:
    ordered = sorted(ages) or [timedelta(0)]
    return ordered[len(ordered) // 2], ordered[-1]


def _ages(found: Sequence[Any], began_at: datetime, ended_at: datetime) -> list[tuple[datetime, timedelta]]:
    """The age at regular moments, and just before each run ended."""
    ended = [run.ended_at for run in found]
    samples = []
    at = began_at
    while at < ended_at:
        if place := bisect_right(ended, at):
            samples.append((at, at - found[place - 1].first_read_at))
        at += SAMPLED_EVERY
    before = [(run.ended_at, run.ended_at - last.first_read_at) for last, run in pairwise(found)]
    return samples + [(at, age) for at, age in before if at < ended_at]


def _troubles(feed: Feed, people: People) -> list[Span]:
    spans = [people.outage]
    if people.absent and people.absent.slug == feed[0]:
        spans.append(people.absence)
    return [(span[0], span[1]) for span in spans if len(span) == 2]
