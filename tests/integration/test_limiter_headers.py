"""What answers teach the limiter about spending that it did not see; two organisations in every test."""

import itertools
import time
from datetime import timedelta

import pytest
import redis

from config.limits import CallClass
from limiter.limiter import Remaining
from tests.integration.limiter_calls import ACME, BOLT, call, passes, passes_in_the_end, refusal, xero


def test_nothing_known_lets_one_call_fly_until_its_answer(redis_url: str) -> None:
    limiter = xero(redis_url)

    first = passes(limiter, ACME)
    refused = refusal(limiter, ACME, CallClass.DECISION)
    passes(limiter, BOLT)
    limiter.answered(first, Remaining(minute=59, day=4_999))

    assert refused.reason == "backlog"
    assert [passes(limiter, ACME) for _ in range(4)]


def test_after_redis_was_wiped_one_call_flies_until_its_answer(redis_url: str) -> None:
    limiter = xero(redis_url)
    for account in (ACME, BOLT):
        call(limiter, account)
        passes(limiter, account)

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    first = passes(limiter, ACME)
    refused = refusal(limiter, ACME)
    limiter.answered(first, Remaining(minute=20, day=2_000))

    assert refused.reason == "backlog"
    assert (limiter.budget(ACME).minute, limiter.budget(ACME).day) == (20, 2_000)
    passes(limiter, BOLT)
    refusal(limiter, BOLT)


def test_an_answer_from_before_redis_was_wiped_is_still_counted(redis_url: str) -> None:
    limiter = xero(redis_url)
    old = passes(limiter, ACME)

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    limiter.answered(old, Remaining(minute=40))

    assert limiter.budget(ACME).minute == 40
    assert limiter.budget(ACME).in_flight == 0
    assert limiter.budget(BOLT).minute == 60


def test_after_an_answer_from_before_redis_was_wiped_one_flies_at_a_time(redis_url: str) -> None:
    limiter = xero(redis_url)
    call(limiter, ACME)
    call(limiter, BOLT)
    old, *others = [passes(limiter, ACME) for _ in range(4)]

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    new = passes(limiter, ACME)
    limiter.answered(old, Remaining(minute=40))
    while_it_flies = refusal(limiter, ACME)
    limiter.answered(new, Remaining(minute=39))
    passes(limiter, ACME)

    # Three may still be out that Redis knows nothing of.
    assert while_it_flies.reason == "backlog"
    assert refusal(limiter, ACME).reason == "backlog"
    assert len(others) == 3
    call(limiter, BOLT)
    assert [passes(limiter, BOLT) for _ in range(4)]


def test_a_header_lowers_what_is_left(redis_url: str) -> None:
    limiter = xero(redis_url)

    call(limiter, ACME, Remaining(minute=3, day=4_000, app_minute=2_000))

    left = limiter.budget(ACME)
    assert (left.minute, left.day, left.app_minute) == (3, 4_000, 2_000)
    assert refusal(limiter, ACME).reason == "minute limit"
    passes(limiter, ACME, CallClass.PRESS)
    assert limiter.budget(BOLT).minute == 60
    assert limiter.budget(BOLT).day == 5_000


def test_a_header_never_raises_what_is_left(redis_url: str) -> None:
    limiter = xero(redis_url)
    for _ in range(10):
        call(limiter, ACME)

    call(limiter, ACME, Remaining(minute=60, day=5_000, app_minute=10_000))  # a fixed window was reset

    left = limiter.budget(ACME)
    assert (left.minute, left.day, left.app_minute) == (49, 4_989, 9_989)
    assert limiter.budget(BOLT).minute == 60


def test_a_lowered_budget_comes_back_after_a_window(redis_url: str) -> None:
    window = timedelta(seconds=0.6)
    limiter = xero(redis_url, minute_window=window)
    answered_at = time.monotonic()
    call(limiter, ACME, Remaining(minute=0))

    again = passes_in_the_end(limiter, ACME)

    assert time.monotonic() - answered_at >= window.total_seconds()
    limiter.answered(again, Remaining(minute=59))
    call(limiter, BOLT)


def test_what_others_spent_is_forgotten_when_an_answer_shows_a_new_window(redis_url: str) -> None:
    limiter = xero(redis_url)
    call(limiter, ACME, Remaining(minute=20, day=1_500))

    call(limiter, ACME, Remaining(minute=59, day=4_999))

    assert (limiter.budget(ACME).minute, limiter.budget(ACME).day) == (58, 4_998)
    assert limiter.budget(BOLT).minute == 60


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_calls_in_flight_are_not_taken_for_others_whatever_order_they_are_answered_in(
    redis_url: str, order: tuple[int, ...]
) -> None:
    limiter = xero(redis_url)
    call(limiter, ACME, Remaining(minute=59))
    flying = [passes(limiter, ACME) for _ in range(4)]
    headers = [58, 57, 56, 55]  # in the order of their arrival

    for number in order:
        limiter.answered(flying[number], Remaining(minute=headers[number]))
        assert limiter.budget(ACME).minute == 55

    assert limiter.budget(BOLT).minute == 60


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_others_spending_between_calls_in_flight_is_known_once_all_are_answered(
    redis_url: str, order: tuple[int, ...]
) -> None:
    limiter = xero(redis_url)
    call(limiter, ACME, Remaining(minute=59))
    flying = [passes(limiter, ACME) for _ in range(3)]
    headers = [58, 47, 46]  # others spent ten after the first arrived

    for number in order:
        limiter.answered(flying[number], Remaining(minute=headers[number]))
    call(limiter, ACME, Remaining(minute=45))

    assert limiter.budget(ACME).minute == 45
    assert limiter.budget(BOLT).minute == 60


def test_no_more_fly_than_the_newest_answer_left_over(redis_url: str) -> None:
    limiter = xero(redis_url)
    for account in (ACME, BOLT):
        call(limiter, account, Remaining(minute=5))
    flying = [passes(limiter, ACME, CallClass.PRESS) for _ in range(3)]

    limiter.answered(
        flying[0], Remaining(minute=2)
    )  # it may have arrived first: then the others take those two

    assert limiter.budget(ACME).minute == 2
    assert refusal(limiter, ACME, CallClass.DECISION).reason == "backlog"
    assert [passes(limiter, BOLT, CallClass.PRESS) for _ in range(5)]


def test_where_others_left_nothing_a_token_of_ours_that_comes_back_is_not_trusted(redis_url: str) -> None:
    window = timedelta(seconds=0.6)
    limiter = xero(redis_url, minute_window=window)
    call(limiter, ACME, Remaining(minute=59))
    first_at = time.monotonic()
    while time.monotonic() < first_at + 0.2:
        limiter.budget(ACME)

    answered_at = time.monotonic()
    call(
        limiter, ACME, Remaining(minute=0), CallClass.DECISION
    )  # our first comes back before this window ends
    passes_in_the_end(limiter, ACME, CallClass.DECISION)

    assert time.monotonic() - answered_at >= window.total_seconds()
    call(limiter, BOLT)


def test_of_answers_that_overlapped_the_lower_one_says_how_many_may_fly(redis_url: str) -> None:
    limiter = xero(redis_url)
    for account in (ACME, BOLT):
        call(limiter, account, Remaining(minute=5))
    flying = [passes(limiter, ACME, CallClass.PRESS) for _ in range(3)]

    limiter.answered(flying[0], Remaining(minute=1))  # arrived last, answered first
    limiter.answered(flying[1], Remaining(minute=3))

    assert refusal(limiter, ACME, CallClass.DECISION).reason == "backlog"
    limiter.answered(flying[2], Remaining(minute=2))
    passes(limiter, ACME, CallClass.DECISION)
    assert [passes(limiter, BOLT, CallClass.PRESS) for _ in range(5)]
