"""The loop: what is planned happens, the engine works, somebody looks, and the clocks move on."""

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bench.week.engine import Engine, engine
from bench.week.judge import Cost, Report, judge
from bench.week.people import People, every_member
from bench.week.plan import Plan
from bench.week.watch import Watch
from sandbox.testing import Sandbox

# How long after the last happening everything may take to be settled, and how far the clocks go at once then.
SETTLED_WITHIN = timedelta(hours=60)
SETTLING_STEP = timedelta(minutes=10)
# A record that vanished is gone when two full reads agree.
FULL_READS = 2


def simulate(plan: Plan, sandbox: Sandbox, database_url: str, redis_url: str) -> Report:
    """Let the plan come to pass, then let everything settle, and judge."""
    with engine(plan, sandbox, database_url, redis_url) as running:
        simulation = Simulation(running, plan)
        began, processor = time.perf_counter(), time.process_time()
        simulation.run()
        cost = Cost(running.worked, time.perf_counter() - began, time.process_time() - processor)
        simulation.settle()
        return judge(
            running,
            plan,
            simulation.people,
            simulation.watch,
            simulation.began_at,
            simulation.ended_at,
            cost=cost,
        )


@dataclass
class Simulation:
    """One plan, as far as it has come."""

    engine: Engine
    plan: Plan
    watch: Watch = field(init=False)
    people: People = field(init=False)
    began_at: datetime = field(init=False)
    ended_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.watch, self.people = Watch(self.engine), People(self.engine)

    def run(self) -> None:
        """From the beginning to the plan's end."""
        resources = sorted({resource for _, found in every_member(self.engine) for resource in found})
        waiting = deque(self.plan.happenings(resources))
        clocks, began_at = self.engine.clocks, self.engine.clocks.now
        self.began_at, self.ended_at = began_at, began_at + self.plan.length
        while clocks.now < self.ended_at:
            while waiting and began_at + waiting[0].at <= clocks.now:
                self.people.do(waiting.popleft())
            self._step(self.plan.step, began_at + waiting[0].at if waiting else self.ended_at)
        for happening in waiting:  # what was still to come back, comes back
            if happening.kind in ("outage over", "returns"):
                self.people.do(happening)

    def settle(self) -> None:
        """Everything is read whole until all agrees; nobody edits any more."""
        give_up_at = self.engine.clocks.now + SETTLED_WITHIN
        for _ in range(FULL_READS):
            for member, resources in every_member(self.engine):
                for resource in resources:
                    self.people.press(member, resource, full=True)
            self._step(SETTLING_STEP, give_up_at)
            while self.watch.waiting and self.engine.clocks.now < give_up_at:
                self._step(SETTLING_STEP, give_up_at)
        self.people.look()
        self._step(SETTLING_STEP, give_up_at)

    def _step(self, step: timedelta, latest: datetime) -> None:
        """Work, look, move on: a step, or to what is next if that is later."""
        due = self.engine.work(at_most=step) or latest
        self.watch.look(self.people.presses)
        self.engine.clocks.move_to(max(self.engine.clocks.now + step, min(due, latest)))
