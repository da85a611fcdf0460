"""How much the limiter costs: pairs of acquire and answered, beside bare round trips to the same Redis.

    python -m bench.limiter [--seconds 3] [--organisations 200] [--threads 8]

Prints one line each: per second, the middle and the slowest hundredth in milliseconds; then Redis's own time
per script, and what one organisation's keys weigh at a full minute and a full day.
"""

import argparse
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import redis

from config.limits import XERO, CallClass, Limits
from ledgertide.embedded.valkey import Valkey
from limiter.limiter import Account, Limiter, Remaining

# Never the reason to refuse: what is measured is the decision.
WIDE = replace(XERO, minute=100_000_000, day=100_000_000, app_minute=100_000_000, in_flight=1_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--organisations", type=int, default=200)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Valkey(Path(folder), persistent=False) as server:
        client = redis.Redis.from_url(server.url)
        limiter = Limiter(server.url, {"xero": WIDE})
        turn = itertools.count()

        def bare() -> None:
            client.get("ledgertide:nothing")

        def pair() -> None:
            account = Account("xero", f"organisation {next(turn) % options.organisations}")
            permit = limiter.acquire(account, CallClass.SCHEDULED)
            limiter.answered(permit, Remaining(minute=WIDE.minute, day=WIDE.day, app_minute=WIDE.app_minute))

        for threads in (1, options.threads):
            measure(f"bare round trip, {threads} thread(s)", bare, options.seconds, threads)
            measure(f"acquire + answered, {threads} thread(s)", pair, options.seconds, threads)
        for name in ("evalsha", "get"):
            cost = client.info("commandstats")[f"cmdstat_{name}"]
            print(f"Redis itself, {name:<8} {cost['usec_per_call']:>8.1f} µs a command")
        client.flushall()
        weigh(server.url, client)


def measure(what: str, action: Callable[[], None], seconds: float, threads: int) -> None:
    """Repeat an action for so long in so many threads and print how fast it went."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    def repeat() -> None:
        while (begun := time.perf_counter()) < end:
            action()
            took.append(time.perf_counter() - begun)

    workers = [threading.Thread(target=repeat) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    hundredths = statistics.quantiles(took, n=100)
    middle, slowest = hundredths[49] * 1000, hundredths[98] * 1000
    print(f"{what:<34} {len(took) / seconds:>7.0f}/s  p50 {middle:.2f} ms  p99 {slowest:.2f} ms")


def weigh(redis_url: str, client: "redis.Redis") -> None:
    """What one organisation's keys weigh after a full minute, and after 5,000 calls spread over a day."""
    for what, limits in (
        # As many calls as a minute allows, and those of the lease before it, which are kept that long.
        ("a full minute", replace(XERO, minute=105)),
        # A day in miniature: every one of its parts is met.
        (
            "a full day",
            replace(
                XERO,
                day_window=timedelta(seconds=10),
                minute=5_000,
                minute_window=timedelta(seconds=0.1),
                lease=timedelta(seconds=0.1),
            ),
        ),
    ):
        client.flushall()
        fill(Limiter(redis_url, {"xero": limits}), limits)
        weights = {
            key.decode().rpartition(":")[2]: client.memory_usage(key) or 0
            for key in client.scan_iter("ledgertide:limiter:xero:connection:*")
        }
        told = ", ".join(f"{name} {weight}" for name, weight in sorted(weights.items()))
        print(f"one organisation after {what}: {sum(weights.values())} bytes ({told})")


def fill(limiter: Limiter, limits: Limits) -> None:
    calls, account = min(limits.minute, limits.day), Account("xero", "0d7f4a3e-5d0c-4b7c-9d2e-5a8e6f2b9c11")
    pause = limits.day_window.total_seconds() / calls if calls == limits.day else 0.0
    for number in range(calls):
        permit = limiter.acquire(account, CallClass.DECISION)
        limiter.answered(permit, Remaining(limits.minute - number - 1, limits.day - number - 1, 9_000))
        time.sleep(pause)


if __name__ == "__main__":
    main()
