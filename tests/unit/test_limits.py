"""The limits as data, and what the scripts are told of them."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from config.limits import LIMITS, XERO, CallClass
from limiter.refusals import pause_after
from limiter.rules import rules


def told(call_class: CallClass, **options: Any) -> dict[str, int]:
    return dict(json.loads(rules(XERO, call_class, **options)))


@pytest.mark.parametrize(
    ("call_class", "in_flight", "of_the_minute", "of_the_app"),
    [
        (CallClass.FILE, 4, 48, 9_500),
        (CallClass.SPARE, 4, 57, 9_700),
        (CallClass.WEBHOOK, 4, 57, 9_700),
        (CallClass.SCHEDULED, 4, 57, 9_700),
        (CallClass.PRESS, 5, 60, 10_000),
        (CallClass.DECISION, 5, 60, 10_000),
    ],
)
def test_each_class_leaves_its_part_to_the_classes_above_it(
    call_class: CallClass, in_flight: int, of_the_minute: int, of_the_app: int
) -> None:
    rule = told(call_class)

    assert rule["in_flight"] == in_flight
    assert rule["minute"] - rule["minute_leaves"] == of_the_minute
    assert rule["app"] - rule["app_leaves"] == of_the_app


@pytest.mark.parametrize(
    ("call_class", "left_of_5000", "left_of_1000", "left_of_200"),
    [
        (CallClass.FILE, 2_500, 500, 100),
        (CallClass.SPARE, 2_500, 500, 100),
        (CallClass.WEBHOOK, 1_500, 300, 60),
        (CallClass.SCHEDULED, 1_000, 200, 40),
        (CallClass.PRESS, 100, 20, 20),
        (CallClass.DECISION, 0, 0, 0),
    ],
)
def test_each_class_stops_at_its_reserve_of_the_day(
    call_class: CallClass, left_of_5000: int, left_of_1000: int, left_of_200: int
) -> None:
    assert told(call_class)["day_leaves"] == left_of_5000
    assert told(call_class, day=1_000)["day_leaves"] == left_of_1000
    assert told(call_class, day=200)["day_leaves"] == left_of_200


def test_what_is_left_scales_with_a_smaller_minute_and_never_to_nothing() -> None:
    rule = json.loads(rules(replace(XERO, minute=10, in_flight=1), CallClass.SCHEDULED))

    assert rule["minute_leaves"] == 1
    assert rule["in_flight"] == 1


def test_a_token_stays_away_longer_than_its_window() -> None:
    rule = told(CallClass.SCHEDULED)

    assert 60_000 < rule["minute_span"] <= 60_500
    assert rule["day_span"] > 24 * 3_600_000
    assert rule["app_span"] > 60_000


@pytest.mark.parametrize("provider", LIMITS)
def test_a_lease_outlives_the_total_deadline_of_a_call(provider: str) -> None:
    assert LIMITS[provider].lease > timedelta(seconds=30)


def test_the_app_is_counted_in_parts_of_less_than_a_second() -> None:
    assert told(CallClass.SCHEDULED)["app_part"] < 1_000


@pytest.mark.parametrize("problem", ["concurrent", "appminute", "Concurrent "])
def test_a_refusal_without_retry_after_backs_off_one_to_two_seconds(problem: str) -> None:
    pauses = [pause_after(problem, None, XERO) for _ in range(50)]

    assert all(timedelta(seconds=1) <= pause.wait <= timedelta(seconds=2) for pause in pauses)
    assert len({pause.wait for pause in pauses}) > 1  # they do not come back together


@pytest.mark.parametrize(
    ("problem", "whose", "reason"),
    [
        ("minute", "connection", "minute limit"),
        ("Day", "connection", "day limit"),
        ("concurrent", "connection", "backlog"),
        ("appminute", "app", "app limit"),
        ("something new", "connection", "minute limit"),
    ],
)
def test_each_problem_pauses_whom_it_concerns(problem: str, whose: str, reason: str) -> None:
    pause = pause_after(problem, timedelta(seconds=26), XERO)

    assert (pause.whose, pause.reason) == (whose, reason)
    assert timedelta(seconds=26) < pause.wait <= timedelta(seconds=27)  # it counts whole seconds


def test_a_day_without_retry_after_is_asked_for_once_an_hour() -> None:
    pause = pause_after("day", None, XERO)

    assert pause.wait == pause.again == timedelta(hours=1)


def test_a_minute_without_retry_after_waits_a_whole_window() -> None:
    assert pause_after("minute", None, XERO).wait >= XERO.minute_window
