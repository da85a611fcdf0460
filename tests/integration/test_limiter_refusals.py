"""What a provider's refusals and outages do to the calls after them; two organisations in every test."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from config.limits import XERO, CallClass
from limiter.limiter import Account, Limiter, NotBeforeError, Remaining
from tests.integration.limiter_calls import (
    ACME,
    BOLT,
    EVENTUALLY_SECONDS,
    NOT_AT_ALL,
    call,
    passes,
    passes_in_the_end,
    refusal,
    xero,
)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [("minute", "minute limit"), ("day", "day limit"), ("unheard of", "minute limit")],
)
def test_a_429_pauses_its_connection_for_all_classes(redis_url: str, problem: str, reason: str) -> None:
    limiter = xero(redis_url)
    pressed = passes(limiter, ACME, CallClass.PRESS)

    wait = limiter.answered(pressed, Remaining(), problem=problem, retry_after=timedelta(seconds=300))

    assert wait is not None
    assert wait >= timedelta(seconds=300)
    for call_class in CallClass:
        refused = refusal(limiter, ACME, call_class)
        assert refused.reason == reason
        assert timedelta(seconds=200) < refused.wait <= wait
    assert limiter.budget(ACME).reason == reason
    passes(limiter, BOLT)


def test_a_429_for_the_app_pauses_every_connection(redis_url: str) -> None:
    limiter = xero(redis_url, back_off=(timedelta(seconds=60), timedelta(seconds=90)))

    wait = limiter.answered(passes(limiter, ACME), Remaining(), problem="appminute")

    assert wait is not None
    assert timedelta(seconds=60) <= wait <= timedelta(seconds=90)
    assert {refusal(limiter, account).reason for account in (ACME, BOLT)} == {"app limit"}


def test_a_429_for_too_many_in_flight_is_a_short_backlog(redis_url: str) -> None:
    limiter = xero(redis_url)

    wait = limiter.answered(passes(limiter, ACME), Remaining(), problem="concurrent")

    assert wait is not None
    assert timedelta(seconds=1) <= wait <= timedelta(seconds=2)
    assert limiter.budget(ACME).reason == "backlog"
    passes(limiter, BOLT)


def test_a_shorter_pause_does_not_end_a_longer_one(redis_url: str) -> None:
    limiter = xero(redis_url)
    call(limiter, ACME)
    first, second, good = (passes(limiter, ACME) for _ in range(3))

    limiter.answered(first, Remaining(), problem="day", retry_after=timedelta(hours=18))
    limiter.answered(second, Remaining(), problem="concurrent")
    limiter.answered(good, Remaining(minute=57))  # left before the pause, so it proves nothing

    refused = refusal(limiter, ACME)
    assert refused.reason == "day limit"
    assert refused.wait > timedelta(hours=17)
    passes(limiter, BOLT)


def test_after_a_pause_one_call_asks_and_its_answer_lets_the_others_go(redis_url: str) -> None:
    limiter = xero(redis_url, retry_after_slack=NOT_AT_ALL)
    call(limiter, ACME)
    limiter.answered(
        passes(limiter, ACME), Remaining(minute=0), problem="minute", retry_after=timedelta(seconds=0.3)
    )

    probe = passes_in_the_end(limiter, ACME)
    refused = refusal(limiter, ACME)
    limiter.answered(probe, Remaining(minute=59))

    assert refused.reason == "minute limit"
    assert [passes(limiter, ACME) for _ in range(4)]
    assert limiter.budget(ACME).reason is None
    passes(limiter, BOLT)


def test_a_day_begins_anew_when_the_call_after_its_pause_is_answered(redis_url: str) -> None:
    limiter = xero(redis_url, day_probe=timedelta(seconds=0.3))
    small = replace(ACME, day=30)
    for _ in range(9):
        call(limiter, small, call_class=CallClass.PRESS)
    limiter.answered(
        passes(limiter, small, CallClass.DECISION), Remaining(day=0), problem="day"
    )  # others spent the rest; no Retry-After

    probe = passes_in_the_end(limiter, small)
    limiter.answered(probe, Remaining(day=29))

    assert limiter.budget(small).day == 29
    call(limiter, BOLT)


def test_a_reserve_that_others_used_up_is_asked_about_once_per_probe_time(redis_url: str) -> None:
    limiter = xero(redis_url, minute_window=timedelta(seconds=0.2), day_probe=timedelta(seconds=0.5))
    learnt_at = time.monotonic()
    call(limiter, ACME, Remaining(day=900))  # less than scheduled calls must leave

    probe = passes_in_the_end(limiter, ACME)
    waited = time.monotonic() - learnt_at
    refused = refusal(limiter, ACME)  # one in flight: the minute was silent for a window
    limiter.answered(probe, Remaining(day=899))

    assert waited >= 0.5
    assert refused.reason == "backlog"
    assert limiter.budget(ACME).day == 899
    assert limiter.budget(BOLT).day == 5_000


def fails(limiter: Limiter, account: Account) -> None:
    limiter.failed(passes(limiter, account, CallClass.PRESS), outage=True, over=True)


def test_many_failures_over_several_connections_pause_the_provider(redis_url: str) -> None:
    limiter = xero(redis_url)
    many = [Account("xero", f"organisation {number}") for number in range(4)]

    for account in (many[0], many[1], many[2], many[0]):
        fails(limiter, account)
    call(limiter, many[3])  # an answer: the four before it are forgotten
    for account in (many[0], many[1], many[2], many[0]):
        fails(limiter, account)
    before = limiter.budget(many[3]).reason
    fails(limiter, many[1])

    assert before is None
    for account in (*many, BOLT):
        refused = refusal(limiter, account, CallClass.DECISION)
        assert refused.reason == "provider unavailable"
        assert refused.wait <= timedelta(seconds=10)


def test_failures_of_one_organisation_among_several_are_its_own(redis_url: str) -> None:
    limiter = xero(redis_url)
    for account in (BOLT, Account("xero", "third")):
        call(limiter, account)

    for _ in range(10):
        fails(limiter, ACME)

    passes(limiter, BOLT)


def test_failures_over_all_connections_count_when_there_are_only_two(redis_url: str) -> None:
    limiter = xero(redis_url)

    for account in (ACME, ACME, ACME, BOLT, BOLT):
        fails(limiter, account)

    assert {refusal(limiter, account).reason for account in (ACME, BOLT)} == {"provider unavailable"}


def test_old_failures_do_not_add_up_to_an_outage(redis_url: str) -> None:
    short = replace(XERO.outage, within=timedelta(milliseconds=1))
    limiter = xero(redis_url, outage=short)

    for account in (ACME, BOLT) * 4:
        fails(limiter, account)
        failed_at = time.monotonic()
        while time.monotonic() < failed_at + 0.002:
            limiter.budget(account)

    passes(limiter, ACME)
    passes(limiter, BOLT)


def test_in_an_outage_one_call_asks_per_probe_time_whoever_is_first(redis_url: str) -> None:
    probe = timedelta(seconds=0.3)
    limiter = xero(redis_url, outage=replace(XERO.outage, probe=probe))
    started_at = time.monotonic()
    for account in (ACME, ACME, ACME, BOLT, BOLT):
        fails(limiter, account)

    probes = 0
    while probes < 4:
        for account in (ACME, BOLT):
            try:
                fails(limiter, account)
                probes += 1
            except NotBeforeError as refused:
                assert refused.reason == "provider unavailable"  # noqa: PT017 - either may be refused
        assert time.monotonic() - started_at < EVENTUALLY_SECONDS

    assert time.monotonic() - started_at >= probes * probe.total_seconds()


def test_the_first_answer_ends_an_outage(redis_url: str) -> None:
    limiter = xero(redis_url, outage=replace(XERO.outage, probe=timedelta(seconds=0.3)))
    for account in (ACME, ACME, ACME, BOLT, BOLT):
        fails(limiter, account)

    probe = passes_in_the_end(limiter, BOLT)
    limiter.answered(probe, Remaining(minute=50))

    passes(limiter, ACME)
    assert [passes(limiter, BOLT) for _ in range(4)]
