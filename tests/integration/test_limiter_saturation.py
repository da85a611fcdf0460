"""Within the limits, and close to them: what a provider counts while its clients want more than it allows."""

import json
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from sandbox.testing import Sandbox
from tests.integration.limiter_calls import organisations
from tests.integration.limiter_worker import begin_worker

Found = TypeVar("Found")
STYLES = ("fixed", "rolling")
PROCESSES, THREADS = 2, 4
WINDOWS = 3  # judged, after one in which the calls spread over the window
PHASES = 40  # at which the judged windows may begin
TRIES = 4  # where the machine, Redis or the sandbox stood still so often that too few windows can be judged


@pytest.fixture
def start_sandbox() -> Iterator[Callable[[int], Sandbox]]:
    started: list[Sandbox] = []

    def start(organisations: int) -> Sandbox:
        started.append(Sandbox.start(organisations=organisations, seed=len(started) + 5))
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.stop()


@pytest.mark.alone
def test_one_organisation_is_called_as_often_as_allowed_and_never_refused(
    start_sandbox: Callable[[int], Sandbox], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    window = 2.0

    def saturated(style: str, own_redis: str) -> tuple[Used, str, str]:
        sandbox = start_sandbox(2)
        sandbox.limits(minute=60, minute_window=window, day=1_000_000, style=style)
        one, unseen = organisations(sandbox)
        used = saturate(sandbox, own_redis, [one], {"minute": 60, "minute_window": window}, window)
        return used, one["tenant"], unseen["tenant"]

    for style, (used, one, unseen) in in_each_style(saturated, redis_url).items():
        tell(capsys, f"{style} minute, one organisation", used.mean / 57)
        assert used.refused == 0
        assert used.most <= 57
        assert used.mean >= 0.95 * 57
        assert used.tenants == {one} != {unseen}


@pytest.mark.alone
def test_fifty_organisations_use_the_app_minute_as_far_as_allowed_and_are_never_refused(
    start_sandbox: Callable[[int], Sandbox], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    window = 3.0
    numbers = {"app_minute": 120, "app_window": window, "minute_window": window}  # scheduled calls leave 4

    def saturated(style: str, own_redis: str) -> tuple[Used, set[str]]:
        sandbox = start_sandbox(50)
        sandbox.limits(app_minute=120, minute_window=window, day=1_000_000, style=style)
        many = organisations(sandbox)
        used = saturate(sandbox, own_redis, many, numbers, window)
        return used, {each["tenant"] for each in many}

    for style, (used, tenants) in in_each_style(saturated, redis_url).items():
        tell(capsys, f"{style} minute, fifty organisations", used.mean / 116)
        assert used.refused == 0
        assert used.most <= 116
        assert used.mean >= 0.95 * 116
        assert used.tenants == tenants


def in_each_style(saturated: Callable[[str, str], Found], redis_url: str) -> dict[str, Found]:
    """What a provider of either kind of window sees; both at the same time, for it is mostly waiting."""
    server = redis_url.rpartition("/")[0]
    with ThreadPoolExecutor(len(STYLES)) as both:
        begun = {style: both.submit(saturated, style, f"{server}/{n}") for n, style in enumerate(STYLES)}
        return {style: found.result() for style, found in begun.items()}


@dataclass(frozen=True)
class Used:
    """What the provider's log shows of a saturated stretch, counted at arrival."""

    mean: float  # calls in a window, over all phases at which windows may begin
    most: int  # calls in any window of the whole stretch, wherever it begins
    refused: int
    tenants: set[str]


def tell(capsys: pytest.CaptureFixture[str], what: str, share: float) -> None:
    with capsys.disabled():
        print(f"\n  {what}: {share:.2%} of what scheduled work may use")  # noqa: T201 - the promise, measured


def saturate(
    sandbox: Sandbox, redis_url: str, whom: list[dict[str, Any]], limits: dict[str, float], window: float
) -> Used:
    """Call with more workers than the limits have room for, and read what came of it in the sandbox's log."""
    plan = {
        "redis_url": redis_url,
        "sandbox_url": sandbox.url,
        "limits": limits,
        "threads": THREADS,
        "organisations": whom,
        "call_class": "scheduled",
        "patience": 2 * window,
    }
    for _ in range(TRIES):
        started_at = time.time()
        stalls = work(plan, seconds=(WINDOWS + 2) * window + 1)
        log = calls(sandbox)
        arrivals = [call["at"] for call in log]
        begin = next(at for at in arrivals if at >= started_at) + window
        counts = steady_windows(arrivals, begin, window, stalls)
        if len(counts) * 2 >= WINDOWS * PHASES:
            return Used(
                mean=statistics.fmean(counts),
                most=max(bisect_left(arrivals, at + window) - n for n, at in enumerate(arrivals)),
                refused=sum(call["status"] != 200 for call in log),
                tenants={call["tenant"] for call in log},
            )
    pytest.fail("the machine, Redis or the sandbox stood still in most windows")


def steady_windows(
    arrivals: list[float], begin: float, window: float, stalls: list[tuple[float, float]]
) -> list[int]:
    """Calls in each window, whatever its phase, in which the machine let every worker run.

    The calls come in a rhythm a little longer than the window; averaged over the phases, neither a burst at
    the edge of a window flatters the count nor one beyond it spoils it.
    """
    counts = []
    for n in range(WINDOWS * PHASES):
        first, last = begin + n * window / PHASES, begin + (n / PHASES + 1) * window
        if not any(stall_begin < last and first < stall_end for stall_begin, stall_end in stalls):
            counts.append(bisect_left(arrivals, last) - bisect_left(arrivals, first))
    return counts


def work(plan: dict[str, Any], seconds: float) -> list[tuple[float, float]]:
    """Let the processes call for so long; the stretches of time in which the machine stalled one of them."""
    workers = [begin_worker(plan) for _ in range(PROCESSES)]
    time.sleep(seconds)  # the length of what is measured, not a wait for something
    stalls = [json.loads(worker.communicate()[0]) for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    return [(begin, end) for each in stalls for begin, end in each]


def calls(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The log of what the workers asked for, in the order of arrival."""
    return sorted(
        (call for call in sandbox.calls() if call["endpoint"] == "Organisation"), key=lambda call: call["at"]
    )
