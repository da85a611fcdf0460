"""A process is killed once at each step of its work, while people edit and press: nothing is lost."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from sqlalchemy import select

from store.models import presses
from tests.faults.child import VISIBILITY_SECONDS, Arm
from tests.faults.house import BEATS, RESOURCES, STEPS, WORKERS, House, house, until
from tests.faults.judge import settle
from tests.faults.life import Life
from tests.faults.meanwhile import Meanwhile
from tests.faults.nursery import Nursery
from tests.faults.recovery import DEATHS_IN_TURN, GOES_ON_WITHIN, InHand, Watch

# Long enough for the rarest of them to come about on a busy machine.
HIT_WITHIN = 90.0
# The message that a dead worker had taken comes again, perhaps to one that died in its turn.
RESTORED_WITHIN = 4.0 * VISIBILITY_SECONDS
STANDS_AT_MOST = DEATHS_IN_TURN * GOES_ON_WITHIN
# So many of them may have needed more than one bound.
IN_TURN_AT_MOST = 3
# Messages that Redis may hand to a worker that has just died: with two a second there is hardly one.
GONE_AT_MOST = 5
# Who walks through which points; whoever is not named here is never killed.
LANES = {
    "beat1": [step for step in STEPS if step.startswith("tick.")],
    **{
        f"worker{number + 1}": [step for step in STEPS if not step.startswith("tick.")][number::3]
        for number in range(3)
    },
}


@pytest.mark.timeout(500)
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_process_killed_at_any_step_costs_nothing(kind: str, tmp_path: Path, nursery: Nursery) -> None:
    with house(kind, tmp_path, nursery=nursery, organisations=2) as home, Watch(home) as watch:
        home.start(*BEATS, *WORKERS)
        with (
            Life(home, seed=1, pause=0.5, full=0.4) as life,
            Occasions(home) as occasions,
            ThreadPoolExecutor() as lanes,
        ):
            walks = [lanes.submit(_walk, home, name, points) for name, points in LANES.items()]
            took = {point: seconds for walk in walks for point, seconds in walk.result().items()}
        gone = occasions.insist()
        verdict = settle(home, [*life.taken, *occasions.presses()], life.untold)

    _tell(took, watch)
    print(f"{gone} messages were received by nobody, and sent again")
    assert took.keys() == set(STEPS)
    assert sum(seconds > GOES_ON_WITHIN for seconds in took.values()) <= IN_TURN_AT_MOST
    assert gone <= GONE_AT_MOST
    assert verdict.flaws() == []
    assert watch.longest_stand < STANDS_AT_MOST, watch.stood


def _walk(home: House, name: str, points: list[str]) -> dict[str, float]:
    """Kill a process at one point after the other; how long what it had in hand stood still."""
    took = {}
    for point in points:
        home.end(name)
        home.start(name, arm=Arm(point))
        assert home.await_end(name, HIT_WITHIN) == -9
        blow = home.notes(name)[-1]
        assert (blow["what"], blow["pid"], blow["point"]) == ("struck", home.pid(name), point)
        took[point] = InHand(home, name, home.pid(name)).await_going_on()
    home.start(name)
    return took


class Occasions(Meanwhile):
    """What people alone do not bring about: presses by a task, refusals, comparisons that make way."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._source = random.Random(1)
        self._sent: dict[str, tuple[str, ...]] = {}
        self._comparisons: list[str] = []

    def go_on(self) -> None:
        """A press by a task, and now and then something else."""
        occasions: list[Callable[[], None]] = [*[self._press_somewhere] * 6, self._interrupt, self._refuse]
        while not self.over.wait(0.5):
            self._source.choice(occasions)()

    def insist(self) -> int:
        """Await every press. What no worker has received and Redis has no more is sent again: how many."""
        gone = until(self._gone, RESTORED_WITHIN, "what Redis has is delivered again")[0]
        for task in gone:
            self._send(task)
        until(lambda: not self._missing(), RESTORED_WITHIN, "every task that presses was done")
        return len(gone)

    def presses(self) -> list[str]:
        """All that were made here."""
        return [*self._comparisons, *self._pressed().values()]

    def _pressed(self) -> dict[str, str]:
        """By task, which has given its own id as the key."""
        with self._house.services.database.reading() as tx:
            by_key = {row.idempotency_key: row.id for row in tx.execute(select(presses))}
        return {task: by_key[key] for task in self._sent if (key := f"task:{task}") in by_key}

    def _missing(self) -> set[str]:
        return self._sent.keys() - self._pressed().keys()

    def _gone(self) -> tuple[set[str]] | None:
        """Those that have not pressed, once Redis has a message of none of them."""
        # In this order: what was received is in Redis until it has pressed.
        received = {note["task"] for note in self._house.noted("received")}
        with redis.Redis.from_url(self._house.valkey.url) as broker, broker.pipeline() as at_once:
            waiting, unacknowledged = at_once.lrange("now", 0, -1).hvals("unacked").execute()
        missing, messages = self._missing(), [*waiting, *unacknowledged]
        if any(task.encode() in message for task in missing for message in messages):
            return None
        assert not missing & received, "a worker received it, and it was lost"
        return (missing,)

    def _press_somewhere(self) -> None:
        self._press_by_task(self._source.choice(self._house.slugs), self._source.choice(RESOURCES))

    def _interrupt(self) -> None:
        where = self._source.choice(self._house.slugs), "xero.contacts"
        self._comparisons.append(self._house.press(*where, full=True).id)
        self.over.wait(1)
        self._press_by_task(*where)

    def _press_by_task(self, *where: str) -> None:
        task = str(uuid4())
        self._sent[task] = where
        self._send(task)

    def _send(self, task: str) -> None:
        self._house.engine.app.send_task("sync.now", self._sent[task], task_id=task, ignore_result=True)

    def _refuse(self) -> None:
        # Not a failure: several of those over several organisations are an outage, and stop everything.
        wait = {"X-Rate-Limit-Problem": "minute", "Retry-After": "1"}
        self._house.sandbox.faults("status", status=429, headers=wait)


def _tell(took: dict[str, float], watch: Watch) -> None:
    """Shown when it fails, or with -s."""
    for point, seconds in took.items():
        print(f"{point:<18} {seconds:5.2f} s; allowed are {GOES_ON_WITHIN:g} s for each death")
    print(f"longest stand {watch.longest_stand:.2f} s; allowed are {STANDS_AT_MOST:g} s: {watch.stood}")
    print(f"the machine up to {watch.clock.slowest:.1f} times as slow as alone")
