"""A soak: real processes, people who edit and press, and faults drawn from a seed, until the time is up."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from store.database import DatabaseUnavailableError
from store.models import feeds, runs
from tests.faults.approvers import Approvers
from tests.faults.follower import Follower
from tests.faults.house import BEATS, WEB, WORKERS, House, house, until
from tests.faults.judge import settle
from tests.faults.kinds import KINDS, Kind, Lane
from tests.faults.life import Life
from tests.faults.nursery import Nursery
from tests.faults.recovery import Watch
from tests.faults.story import Story
from tests.faults.webhooks import UNTIDY, Webhooks

RECOVERS_WITHIN = 600.0  # only to give up: how long it took is printed, and a machine may be slow
PAUSE = (0.5, 3.0)  # seconds between two faults of one lane


def soak(
    kind: str, folder: Path, nursery: Nursery, *, length: timedelta, seed: int, at_least: int = 0
) -> Story:
    """Run it until the time is up and each lane has struck so often; the verdict is in the story."""
    story = Story(seed, kind, length.total_seconds() / 60)
    with (
        # A server that a lane starts again dies with the lane's thread: the threads outlive the house.
        ThreadPoolExecutor() as lanes,
        house(kind, folder, nursery=nursery, seed=seed) as home,
        Watch(home) as watch,
        Follower(home) as follower,
    ):
        home.start(*BEATS, *WORKERS, *WEB)
        home.await_started(*BEATS, *WORKERS)
        webhooks = Webhooks(home, **UNTIDY)
        over_at = time.monotonic() + length.total_seconds()
        with Life(home, seed) as life, Approvers(home, seed) as approvers:
            lane_names: tuple[Lane, ...] = ("processes", "surroundings")
            for running in [lanes.submit(_lane, home, lane, story, over_at, at_least) for lane in lane_names]:
                running.result()
        story.staleness, story.stand = watch.longest_staleness, watch.longest_stand
        story.slowness = watch.clock.slowest
        story.edits, story.presses, story.refused_presses = life.edits, len(life.taken), life.refused
        if not home.is_alive("web"):  # whoever starts while the database is away ends again
            home.start("web")
        webhooks.await_taken()
        approvers.await_finished()
        story.verdict = settle(home, life.taken, life.untold)
        story.verdict.missed_events = follower.missed()
        story.verdict.both_ways = [*approvers.flaws(life.edited), *webhooks.flaws()]
        story.both_ways = [approvers.told(), webhooks.told()]
    return story


def _lane(home: House, lane: Lane, story: Story, over_at: float, at_least: int) -> None:
    """One fault after another, every kind once before any comes twice."""
    source = random.Random(f"{lane}:{story.seed}")
    kinds = {name: kind for name, kind in KINDS.items() if kind.lane == lane and home.kind in kind.on}
    waiting: list[str] = []
    struck = 0
    while time.monotonic() < over_at or struck < at_least:
        waiting = waiting or source.sample(sorted(kinds), len(kinds))
        name = waiting.pop()
        story.recoveries[name].append(_strike(home, name, kinds[name], source))
        struck += 1
        time.sleep(source.uniform(*PAUSE))


def _strike(home: House, name: str, kind: Kind, source: random.Random) -> float:
    """Strike, and wait until work is done again; returns the seconds from the fault's end to that."""
    kind.strike(home, source)
    began = time.monotonic()
    seen = until(lambda: _claims(home), RECOVERS_WITHIN, "the database is back")
    until(lambda: _worked_since(home, seen), RECOVERS_WITHIN, f"work goes on: {name}")
    return time.monotonic() - began


def _claims(home: House) -> dict[str, int] | None:
    """How often each feed's runs were claimed: no clock, for the other lane may just have moved it."""
    try:
        with home.services.database.reading() as tx:
            return {row.id: row.fence for row in tx.execute(select(feeds.c.id, feeds.c.fence))}
    except DatabaseUnavailableError:
        return None


def _worked_since(home: House, seen: dict[str, int]) -> bool:
    done = select(runs.c.feed_id, func.max(runs.c.fence)).where(runs.c.state == "done")
    try:
        with home.services.database.reading() as tx:
            ended = list(tx.execute(done.group_by(runs.c.feed_id)))
    except DatabaseUnavailableError:
        return False
    return any(fence > seen[feed_id] for feed_id, fence in ended)
