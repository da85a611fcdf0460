"""A process is killed once at each step of its work, while people edit and press: nothing is lost."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.child import Arm
from tests.faults.house import BEATS, RESOURCES, STEPS, WORKERS, House, house
from tests.faults.judge import judge, settle
from tests.faults.life import Life
from tests.faults.nursery import Nursery
from tests.faults.recovery import GOES_ON_WITHIN, InHand, Watch

# Long enough for the rarest of them to come about on a busy machine.
HIT_WITHIN = 90.0
# What each lane's death left behind has gone on within the bound; but all lanes may hit the same run in turn.
STANDS_AT_MOST = 4 * GOES_ON_WITHIN
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
        with Life(home, seed=1, pause=0.5, full=0.4) as life, _occasions(home), ThreadPoolExecutor() as lanes:
            walks = [lanes.submit(_walk, home, name, points) for name, points in LANES.items()]
            took = {point: seconds for walk in walks for point, seconds in walk.result().items()}
        settle(home)
        verdict = judge(home, life.taken)

    _tell(took, watch)
    assert took.keys() == set(STEPS)
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


@contextmanager
def _occasions(home: House) -> Iterator[None]:
    """What people alone do not bring about: refusals, and presses by a task."""
    over = threading.Event()
    source = random.Random(1)

    def press_by_task() -> None:
        where = source.choice(home.slugs), source.choice(RESOURCES)
        home.engine.app.send_task("sync.now", where, ignore_result=True)

    def refuse() -> None:
        # Not a failure: several of those over several organisations are an outage, and stop everything.
        wait = {"X-Rate-Limit-Problem": "minute", "Retry-After": "1"}
        home.sandbox.faults("status", status=429, headers=wait)

    occasions: list[Callable[[], None]] = [press_by_task] * 7 + [refuse]

    def give() -> None:
        while not over.wait(0.5):
            source.choice(occasions)()

    thread = threading.Thread(target=give, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tell(took: dict[str, float], watch: Watch) -> None:
    """Shown when it fails, or with -s."""
    for point, seconds in took.items():
        print(f"{point:<18} {seconds:5.2f} s; allowed are {GOES_ON_WITHIN:g} s")
    print(f"longest stand {watch.longest_stand:.2f} s; allowed are {STANDS_AT_MOST:g} s: {watch.stood}")
    print(f"the machine up to {watch.clock.slowest:.1f} times as slow as alone")
