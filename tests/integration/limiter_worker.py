"""One process that calls organisations as fast as the limiter allows, until its standard input ends.

The first line it reads says whom, with which limits and how many threads. At its end it prints one line: the
stretches of time in which the machine did not let it run, or Redis or the sandbox stood still, so that nobody
judges it by those.
"""

import http.client
import json
import random
import subprocess
import sys
import threading
import time
import urllib.parse
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from config.limits import XERO, CallClass, Limits
from limiter.limiter import Account, Limiter, LimiterUnavailableError, NotBeforeError, Remaining

STALL_SECONDS = 0.1  # a thread that asked for 20 ms of sleep and got more than this
SLOW_SECONDS = 0.5  # an answer of the sandbox's that took more than this


def begin_worker(plan: dict[str, Any]) -> "subprocess.Popen[str]":
    """Start this program as a process of its own; closing its standard input ends it."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.limiter_worker"],
        cwd=Path(__file__).parent.parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin
    worker.stdin.write(json.dumps(plan) + "\n")  # not on its command line: the address holds a password
    worker.stdin.flush()
    return worker


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    limiter = Limiter(plan["redis_url"], {"xero": limits_of(plan["limits"])})
    ended = threading.Event()
    stalls: list[tuple[float, float]] = []
    callers = [
        threading.Thread(target=keep_calling, args=(limiter, plan, stalls, ended))
        for _ in range(plan["threads"])
    ]
    watcher = threading.Thread(target=watch, args=(stalls, ended))
    for thread in (*callers, watcher):
        thread.start()

    sys.stdin.read()
    ended.set()
    for thread in (*callers, watcher):
        thread.join()
    limiter.close()
    print(json.dumps(stalls))  # noqa: T201 - its answer


def limits_of(numbers: dict[str, float]) -> Limits:
    """Xero's limits with some changed; windows and leases in seconds."""
    changed = {
        name: timedelta(seconds=number) if name.endswith(("window", "lease")) else number
        for name, number in numbers.items()
    }
    return replace(XERO, **changed)  # type: ignore[arg-type]


def keep_calling(
    limiter: Limiter, plan: dict[str, Any], stalls: list[tuple[float, float]], ended: threading.Event
) -> None:
    address = urllib.parse.urlsplit(plan["sandbox_url"]).netloc
    provider = http.client.HTTPConnection(address, timeout=30)
    while not ended.is_set():
        whom = random.choice(plan["organisations"])
        account = Account("xero", whom["tenant"], day=whom.get("day"))
        began = time.time()
        try:
            permit = limiter.acquire(
                account, CallClass(plan["call_class"]), max_wait=timedelta(seconds=plan["patience"])
            )
        except NotBeforeError:
            continue
        except LimiterUnavailableError as error:
            if not isinstance(error.__cause__, redis.TimeoutError):
                raise
            stalls.append((began, time.time()))
            continue
        asked_at = time.time()
        headers = {"Authorization": f"Bearer {whom['token']}", "xero-tenant-id": whom["tenant"]}
        provider.request("GET", "/api.xro/2.0/Organisation", headers=headers | {"Accept": "application/json"})
        answer = provider.getresponse()
        answer.read()
        if time.time() - asked_at > SLOW_SECONDS:
            stalls.append((asked_at, time.time()))
        limiter.answered(permit, remaining(answer), problem=answer.headers.get("X-Rate-Limit-Problem"))
    provider.close()


def remaining(answer: http.client.HTTPResponse) -> Remaining:
    left = [
        int(number) if (number := answer.headers.get(f"X-{name}Limit-Remaining")) else None
        for name in ("Min", "Day", "AppMin")
    ]
    return Remaining(*left)


def watch(stalls: list[tuple[float, float]], ended: threading.Event) -> None:
    before = time.time()
    while not ended.wait(0.02):
        now = time.time()
        if now - before > STALL_SECONDS:
            stalls.append((before, now))
        before = now


if __name__ == "__main__":
    main()
