"""What each budget lets through and leaves to others; two organisations in every test."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from config.limits import XERO, CallClass
from limiter.limiter import Account, Limiter, NotBeforeError, Remaining
from tests.integration.limiter_calls import ACME, BOLT, call, passes, passes_in_the_end, refusal, xero


def test_scheduled_calls_leave_three_of_the_minute_to_presses(redis_url: str) -> None:
    limiter = xero(redis_url)
    for _ in range(57):
        call(limiter, ACME)

    refused = refusal(limiter, ACME)
    for _ in range(3):
        call(limiter, ACME, call_class=CallClass.PRESS)
    pressed_out = refusal(limiter, ACME, CallClass.PRESS)

    assert refused.reason == pressed_out.reason == "minute limit"
    assert refused.wait <= timedelta(seconds=61)
    passes(limiter, BOLT)


def test_a_token_comes_back_a_window_after_its_answer_and_not_before(redis_url: str) -> None:
    window = timedelta(seconds=0.6)
    limiter = xero(redis_url, minute=2, minute_window=window)  # scheduled calls may use one of the two
    permit = passes(limiter, ACME)
    asked_at = time.monotonic()
    while time.monotonic() < asked_at + 0.2:  # an answer that takes its time
        assert limiter.budget(ACME).in_flight == 1

    answered_at = time.monotonic()
    limiter.answered(permit, Remaining())
    passes_in_the_end(limiter, ACME)

    assert time.monotonic() - answered_at >= window.total_seconds()
    passes(limiter, BOLT)


def test_no_class_goes_beyond_its_reserve_of_the_day(redis_url: str) -> None:
    limiter = xero(redis_url, minute=10_000)
    # Spare and files stop at 50 left, webhooks at 30, scheduled and presses at 20, decisions never.
    small = replace(ACME, day=100)
    let_through = {}
    reasons = {}
    for call_class in CallClass:
        let_through[call_class] = 0
        try:
            while True:
                call(limiter, small, call_class=call_class)
                let_through[call_class] += 1
        except NotBeforeError as refused:
            reasons[call_class] = refused.reason

    assert list(let_through.values()) == [50, 0, 20, 10, 0, 20]
    assert list(reasons.values()) == [*["day reserve"] * 5, "day limit"]
    passes(limiter, replace(BOLT, day=100))


def test_the_day_comes_back_after_its_window_and_not_before(redis_url: str) -> None:
    window = timedelta(seconds=0.6)
    limiter = xero(redis_url, day_window=window)
    small = replace(ACME, day=1)
    answered_at = time.monotonic()
    call(limiter, small, call_class=CallClass.DECISION)

    again = passes_in_the_end(limiter, small, CallClass.DECISION)

    assert time.monotonic() - answered_at >= window.total_seconds()
    limiter.answered(again, Remaining())


def test_all_organisations_share_the_minute_of_the_app(redis_url: str) -> None:
    limiter = xero(redis_url, app_minute=10)  # scheduled calls leave one
    for number in range(9):
        call(limiter, Account("xero", f"organisation {number}"))

    refused = [refusal(limiter, ACME), refusal(limiter, BOLT)]
    call(limiter, ACME, call_class=CallClass.PRESS)

    assert {each.reason for each in refused} == {"app limit"}
    assert refusal(limiter, BOLT, CallClass.PRESS).reason == "app limit"


def test_the_minute_of_the_app_comes_back_after_its_window_and_not_before(redis_url: str) -> None:
    window = timedelta(seconds=0.6)
    limiter = xero(redis_url, app_minute=2, app_window=window)
    answered_at = time.monotonic()
    call(limiter, ACME)

    passes_in_the_end(limiter, BOLT)

    assert time.monotonic() - answered_at >= window.total_seconds()


@pytest.mark.parametrize("call_class", [CallClass.PRESS, CallClass.DECISION])
def test_scheduled_calls_and_webhooks_leave_a_place_in_flight_to_presses(
    redis_url: str, call_class: CallClass
) -> None:
    limiter = xero(redis_url)
    call(limiter, ACME)  # an answer was seen
    flying = [passes(limiter, ACME) for _ in range(4)]

    told_of, refused = refusal(limiter, ACME, CallClass.WEBHOOK), refusal(limiter, ACME)
    flying.append(passes(limiter, ACME, call_class))
    full = refusal(limiter, ACME, CallClass.DECISION)

    assert told_of.reason == refused.reason == full.reason == "backlog"
    assert refused.wait < timedelta(seconds=2)
    assert limiter.budget(ACME).in_flight == len(flying) == 5
    passes(limiter, BOLT)


def test_a_refusal_never_blocks_for_longer_than_the_caller_allows(redis_url: str) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.sleep(seconds)

    limiter = Limiter(redis_url, {"xero": XERO}, sleep=sleep)
    held = passes(limiter, ACME)  # the only one until an answer is seen

    with pytest.raises(NotBeforeError):
        limiter.acquire(ACME, CallClass.PRESS, max_wait=timedelta(seconds=0.5))
    assert 0 < sum(slept) <= 0.5
    slept.clear()
    limiter.answered(held, Remaining(), problem="minute", retry_after=timedelta(seconds=40))
    with pytest.raises(NotBeforeError) as refused:
        limiter.acquire(ACME, CallClass.PRESS, max_wait=timedelta(seconds=2))

    assert refused.value.wait > timedelta(seconds=2)
    assert slept == []  # a wait that is too long anyway is not begun
    passes(limiter, BOLT)
    limiter.close()
