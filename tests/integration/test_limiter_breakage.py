"""What is left of the limits when workers, clocks or Redis break; two organisations in every test."""

import signal
import socket
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from config.limits import XERO, CallClass
from ledgertide.embedded.valkey import Valkey
from limiter.limiter import Limiter, LimiterUnavailableError, Remaining
from tests.integration.limiter_calls import (
    ACME,
    BOLT,
    EVENTUALLY_SECONDS,
    call,
    passes,
    passes_in_the_end,
    refusal,
    xero,
)
from tests.integration.limiter_worker import begin_worker


def test_a_failed_call_gives_its_place_back_and_stays_counted(redis_url: str) -> None:
    limiter = xero(redis_url)

    limiter.failed(passes(limiter, ACME), outage=False, over=True)

    left = limiter.budget(ACME)
    assert (left.in_flight, left.minute, left.day, left.app_minute) == (0, 59, 4_999, 9_999)
    assert limiter.budget(BOLT).minute == 60


def test_a_call_without_an_answer_is_in_flight_for_as_long_as_the_provider_may_be_at_it(
    redis_url: str,
) -> None:
    limiter = xero(redis_url, at_work=timedelta(seconds=8))
    for account in (ACME, BOLT):
        call(limiter, account, Remaining(minute=59))
    flying = [passes(limiter, ACME, CallClass.PRESS) for _ in range(5)]

    for permit in flying[:3]:
        limiter.failed(permit, outage=False, over=False)
    limiter.answered(flying[3], Remaining(minute=55))
    again = passes(limiter, ACME, CallClass.PRESS)

    assert refusal(limiter, ACME, CallClass.PRESS).reason == "backlog"
    assert passes_in_the_end(limiter, ACME, CallClass.PRESS).granted_at >= flying[0].granted_at + 8_000
    assert again.granted_at < flying[0].granted_at + 8_000
    assert [passes(limiter, BOLT) for _ in range(4)]


def test_when_no_call_is_answered_the_next_one_waits_for_the_first_to_be_over(redis_url: str) -> None:
    limiter = xero(redis_url, at_work=timedelta(seconds=20))
    for account in (ACME, BOLT):
        call(limiter, account, Remaining(minute=59))
    given_up = [passes(limiter, ACME, CallClass.PRESS) for _ in range(5)]

    for permit in given_up:
        limiter.failed(permit, outage=False, over=False)
    refused = refusal(limiter, ACME, CallClass.PRESS)

    assert refused.reason == "provider unavailable"
    assert timedelta(seconds=10) < refused.wait <= timedelta(seconds=20)
    assert [passes(limiter, BOLT) for _ in range(4)]


def test_an_outage_in_which_nothing_is_answered_is_probed_all_the_same(redis_url: str) -> None:
    outage = replace(XERO.outage, connections=1, probe=timedelta(seconds=5))
    limiter = xero(redis_url, at_work=timedelta(minutes=10), outage=outage)
    call(limiter, ACME, Remaining(minute=59))
    call(limiter, BOLT, Remaining(minute=59))

    for permit in [passes(limiter, ACME, CallClass.PRESS) for _ in range(5)]:
        limiter.failed(permit, outage=True, over=False)

    assert refusal(limiter, BOLT).reason == "provider unavailable"
    probe = passes_in_the_end(limiter, ACME, CallClass.PRESS)
    assert probe.granted_at > 0


def test_a_call_from_before_a_wipe_that_nobody_answered_lets_one_fly_at_a_time(redis_url: str) -> None:
    limiter = xero(redis_url)
    old = [passes(limiter, ACME, CallClass.PRESS) for _ in range(1)]
    with redis.Redis.from_url(redis_url) as keys:
        keys.flushall()
    call(limiter, ACME, Remaining(minute=50))
    call(limiter, BOLT, Remaining(minute=50))

    limiter.failed(old[0], outage=False, over=False)
    passes(limiter, ACME)

    assert refusal(limiter, ACME).reason == "backlog"
    assert [passes(limiter, BOLT) for _ in range(4)]


def test_entries_from_the_future_expire_and_leave_nothing_known(redis_url: str) -> None:
    limiter = xero(redis_url)
    for account in (ACME, BOLT):
        call(limiter, account, Remaining(minute=59, day=4_999, app_minute=9_998))
    hour = 3_600_000
    keys = redis.Redis.from_url(redis_url, decode_responses=True)
    own = "ledgertide:limiter:xero:connection:acme"
    now = int(float(keys.zscore("ledgertide:limiter:xero:app:connections", "acme")))  # type: ignore[arg-type]
    # As the hour before the clock was set back left them.
    keys.zadd(f"{own}:flight", {f"old {number}": now + hour for number in range(5)})
    keys.zadd(f"{own}:minute", {f"old {number}": now + hour for number in range(60)})
    keys.hset(f"{own}:day", mapping={str((now + hour) // 900_000): 5_000})
    keys.hset("ledgertide:limiter:xero:app:minute", mapping={str((now + hour) // 500): 10_000})
    keys.hset("ledgertide:limiter:xero:app:state", mapping={"others": 10_000, "at": now + hour})
    for name in (f"{own}:pause", "ledgertide:limiter:xero:app:pause"):
        times = {"set": now + hour, "until": now + 2 * hour, "again": 1_000, "reason": "day limit"}
        keys.hset(name, mapping=times)  # type: ignore[arg-type]
    shown = {"seen": now + hour, "left": 0, "day_others": 5_000, "day_at": now + hour}
    keys.hset(f"{own}:state", mapping=shown)  # type: ignore[arg-type]

    first = passes(limiter, ACME)
    refused = refusal(limiter, ACME)
    limiter.answered(first, Remaining(minute=58, day=4_998, app_minute=9_997))

    assert refused.reason == "backlog"
    assert [passes(limiter, ACME) for _ in range(4)]
    assert keys.zcard(f"{own}:minute") == 6
    keys.close()
    assert [passes(limiter, BOLT) for _ in range(4)]


def test_without_redis_nobody_calls_and_answers_are_kept(own_redis: Valkey) -> None:
    limiter = Limiter(own_redis.url, {"xero": XERO})
    flying = [passes(limiter, account) for account in (ACME, BOLT)]

    own_redis.stop()
    for account in (ACME, BOLT):
        with pytest.raises(LimiterUnavailableError) as caught:
            limiter.acquire(account, CallClass.DECISION)
        assert own_redis.url.split("@")[0] not in repr(caught.value)
    wait = limiter.answered(flying[0], Remaining(), problem="minute", retry_after=timedelta(seconds=9))
    limiter.failed(flying[1], outage=True, over=False)
    own_redis.start()

    assert wait is not None  # an answer that came is worth keeping, and says itself how long to wait
    assert wait >= timedelta(seconds=9)
    assert [limiter.budget(account).in_flight for account in (ACME, BOLT)] == [1, 1]
    limiter.close()


def test_a_redis_that_hangs_is_called_away_within_a_second(own_redis: Valkey, real_patience: float) -> None:
    limiter = Limiter(own_redis.url, {"xero": XERO})
    passes(limiter, BOLT)
    assert own_redis.process

    own_redis.process.send_signal(signal.SIGSTOP)
    waited = []
    for _ in range(3):  # so that a stall of the test's own does not count
        asked_at = time.monotonic()
        with pytest.raises(LimiterUnavailableError):
            limiter.acquire(ACME, CallClass.DECISION)
        waited.append(time.monotonic() - asked_at)
    own_redis.process.send_signal(signal.SIGCONT)

    assert 2 * real_patience <= 1  # for connecting, and for the answer
    assert min(waited) < 3  # a slow machine's second
    passes_in_the_end(limiter, ACME)
    limiter.close()


def test_a_killed_workers_place_in_flight_frees_itself_and_its_call_stays_counted(redis_url: str) -> None:
    lease = timedelta(seconds=1)
    limiter = xero(redis_url, lease=lease)
    call(limiter, BOLT)
    with socket.create_server(("127.0.0.1", 0)) as silent_provider:
        plan = {
            "redis_url": redis_url,
            "sandbox_url": f"http://127.0.0.1:{silent_provider.getsockname()[1]}",
            "limits": {"lease": lease.total_seconds()},
            "threads": 1,
            "organisations": [{"tenant": "acme", "token": ""}],
            "call_class": "scheduled",
            "patience": 1,
        }
        worker = begin_worker(plan)
        silent_provider.settimeout(EVENTUALLY_SECONDS)
        connection, _ = silent_provider.accept()  # its call is in flight
        worker.kill()
        worker.communicate()
        connection.close()

    again = passes_in_the_end(limiter, ACME)
    limiter.answered(again, Remaining())

    assert worker.returncode == -signal.SIGKILL
    left = limiter.budget(ACME)
    assert (left.in_flight, left.minute, left.day) == (0, 58, 4_998)
    assert limiter.budget(BOLT).minute == 59
