"""May one more call go out now? Yes with a permit, or not before, because."""

import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from redis import RedisError

from config.limits import CallClass, Limits
from limiter.client import LimiterUnavailableError, connect, reaching_redis
from limiter.refusals import Pause, pause_after
from limiter.rules import rules

__all__ = [
    "Account",
    "Budget",
    "Limiter",
    "LimiterUnavailableError",
    "NotBeforeError",
    "Permit",
    "Remaining",
]

log = structlog.get_logger()
OF_CONNECTION = 6  # of a script's keys, the first so many are the connection's own


@dataclass(frozen=True)
class Account:
    """Whose limits a call spends: one connection's; `day` overrides its provider's limit of the day."""

    provider: str
    connection: str
    day: int | None = None


@dataclass(frozen=True)
class Permit:
    """One call may go out; every permit ends in exactly one `answered` or `failed`."""

    account: Account
    call: str
    granted_at: int  # milliseconds by Redis's clock
    lease_until: int


@dataclass(frozen=True)
class Remaining:
    """What an answer's headers say is left; None where they say nothing."""

    minute: int | None = None
    day: int | None = None
    app_minute: int | None = None


@dataclass(frozen=True)
class Budget:
    """What is left of a connection's limits and of its app's minute, before any class leaves its part."""

    minute: int
    day: int
    app_minute: int
    in_flight: int
    paused_for: timedelta | None
    reason: str | None


class NotBeforeError(Exception):
    """No call may go out for at least `wait`; `reason` is one of the closed list."""

    def __init__(self, wait: timedelta, reason: str) -> None:
        super().__init__(wait, reason)
        self.wait = wait
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}: not before {self.wait.total_seconds():.3f} s from now"


class Limiter:
    """One gate for all processes: whoever calls a provider asks here first, and reports what came of it.

    Safe to share between threads. `sleep` is what waits inside `acquire`.
    """

    def __init__(
        self, redis_url: str, limits: Mapping[str, Limits], *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._redis = connect(redis_url)
        self._limits = limits
        self._sleep = sleep
        self._rules: dict[tuple[str, CallClass, int | None], str] = {}
        # Asked for, but the verdict never reached us: Redis may have granted it when it woke up, and nobody
        # would use that place in flight until its lease ends.
        self._unheard: deque[tuple[Account, str]] = deque(maxlen=1_000)
        ground = _source("ground")
        self._acquire, self._answered, self._failed, self._budget = (
            self._redis.register_script(ground + _source(name))
            for name in ("acquire", "answered", "failed", "budget")
        )

    def acquire(
        self, account: Account, call_class: CallClass, *, max_wait: timedelta = timedelta(seconds=2)
    ) -> Permit:
        """Take one call from every budget, waiting at most `max_wait` in all until each has room.

        Raises NotBeforeError when the wait would be longer, LimiterUnavailableError when Redis is away.
        """
        patience = max_wait
        while True:
            call = secrets.token_urlsafe(6)
            verdict = self._ask(account, call, call_class)
            if verdict[0]:
                return Permit(account, call, granted_at=verdict[1], lease_until=verdict[2])
            wait, reason = timedelta(milliseconds=verdict[1]), str(verdict[2])
            if reason == "backlog":
                wait *= random.uniform(0.5, 1.5)  # noqa: S311 - spreads those who wait for one place
            if wait > patience:
                raise NotBeforeError(wait, reason)
            patience -= wait
            self._sleep(wait.total_seconds())

    def answered(
        self,
        permit: Permit,
        remaining: Remaining,
        *,
        problem: str | None = None,
        retry_after: timedelta | None = None,
    ) -> timedelta | None:
        """Report an answer that reached us, whatever its status short of 5xx; a 429 with its `problem`.

        Returns for a 429 how long to wait, else None. Never raises: when Redis is away the answer is worth
        keeping all the same, and the call's tokens stay counted from the end of its lease.
        """
        account = permit.account
        pause = None if problem is None else pause_after(problem, retry_after, self._limits[account.provider])
        try:
            with reaching_redis():
                self._run(
                    self._answered,
                    account,
                    permit.call,
                    permit.granted_at,
                    permit.lease_until,
                    self._rule(account),
                    *(
                        "" if left is None else left
                        for left in (remaining.minute, remaining.day, remaining.app_minute)
                    ),
                    *_pause_arguments(pause),
                )
        except LimiterUnavailableError as error:
            log.warning("limiter_report_lost", error=str(error))
        return None if pause is None else pause.wait

    def failed(self, permit: Permit, *, outage: bool, over: bool) -> None:
        """Report that no answer came, or a 5xx; `outage` when the provider itself may be down.

        `over`: the provider answered, or never got it; else it may still be at it, and counts it in flight.
        The tokens stay counted until the provider cannot count the call any more. Never raises.
        """
        account = permit.account
        try:
            with reaching_redis():
                rule, told = self._rule(account), (int(outage), int(over))
                paused = self._run(self._failed, account, permit.call, account.connection, rule, *told)
        except LimiterUnavailableError as error:
            log.warning("limiter_report_lost", error=str(error))
        else:
            if paused:
                log.warning("provider_unavailable", provider=account.provider)

    def budget(self, account: Account) -> Budget:
        """What is left now, for views; changes nothing. Raises LimiterUnavailableError when Redis is away."""
        with reaching_redis():
            minute, day, app_minute, in_flight, pause, reason = self._run(
                self._budget, account, self._rule(account)
            )
        paused_for = timedelta(milliseconds=pause) if pause else None
        return Budget(minute, day, app_minute, in_flight, paused_for, str(reason) or None)

    def outage(self, provider: str) -> timedelta | None:
        """While the provider is unavailable: how long until the next call may try it. None: it is there.

        Raises LimiterUnavailableError when Redis is away.
        """
        with reaching_redis():
            till, reason = self._redis.hmget(f"ledgertide:limiter:{provider}:app:pause", "until", "reason")
            seconds, microseconds = self._redis.time()
        if till is None or reason != "provider unavailable":
            return None
        left = int(till) - (int(seconds) * 1000 + int(microseconds) // 1000)
        return timedelta(milliseconds=max(0, left))

    def forget(self, account: Account) -> None:
        """Drop whatever is kept of a connection: it is gone for good, or begins anew.

        Raises LimiterUnavailableError when Redis is away.
        """
        app = f"ledgertide:limiter:{account.provider}"
        with reaching_redis():
            self._redis.delete(*self._keys(account)[:OF_CONNECTION])
            self._redis.zrem(f"{app}:app:connections", account.connection)
            failures: Any = self._redis.zrange(f"{app}:app:failures", 0, -1)
            if own := [member for member in failures if member.startswith(f"{account.connection} ")]:
                self._redis.zrem(f"{app}:app:failures", *own)

    def close(self) -> None:
        """Give the connections to Redis back."""
        self._redis.close()

    def _ask(self, account: Account, call: str, call_class: CallClass) -> Any:
        with reaching_redis():
            self._give_back()
            try:
                return self._run(
                    self._acquire, account, call, account.connection, self._rule(account, call_class)
                )
            except RedisError:
                self._unheard.append((account, call))
                raise

    def _give_back(self) -> None:
        while self._unheard:
            try:
                account, call = self._unheard.popleft()
            except IndexError:  # another thread was quicker
                return
            try:
                self._run(self._failed, account, call, account.connection, self._rule(account), 0, 1)
            except RedisError:
                self._unheard.append((account, call))
                raise

    def _run(self, script: Callable[..., Any], account: Account, *arguments: object) -> Any:
        return script(keys=self._keys(account), args=arguments)

    def _keys(self, account: Account) -> list[str]:
        app = f"ledgertide:limiter:{account.provider}"
        own = f"{app}:connection:{account.connection}"
        keys = [f"{own}:{name}" for name in ("flight", "minute", "day", "state", "pause", "abandoned")]
        keys += [f"{app}:app:{name}" for name in ("minute", "state", "pause", "failures", "connections")]
        return keys

    def _rule(self, account: Account, call_class: CallClass = CallClass.DECISION) -> str:
        key = (account.provider, call_class, account.day)
        if key not in self._rules:
            self._rules[key] = rules(self._limits[account.provider], call_class, account.day)
        return self._rules[key]


def _pause_arguments(pause: Pause | None) -> tuple[object, ...]:
    if pause is None:
        return ("", "", "", "")
    milliseconds = timedelta(milliseconds=1)
    return (pause.whose, int(pause.wait / milliseconds), int(pause.again / milliseconds), pause.reason)


def _source(name: str) -> str:
    return (Path(__file__).parent / f"{name}.lua").read_text(encoding="utf-8")
