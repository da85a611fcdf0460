"""One call to a provider: the limiter asked, short trouble repeated, the answer a value or a named error.

With the table of verdicts this alone knows status codes: above it nobody sees one, nor an exception of the
HTTP library.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

import tenacity
from pydantic import SecretStr

from config.limits import CallClass
from config.points import reached
from connectors import hints
from connectors.errors import (
    BrokenAnswerError,
    ConfigurationError,
    ConnectorError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)
from connectors.transport import Answer, Transport
from connectors.verdicts import XERO, Dialect, verdict
from limiter.limiter import Account, Limiter, LimiterUnavailableError, NotBeforeError, Permit

ATTEMPTS = 3
# A call is not repeated once so much time has gone: the run's back-off is the better place to wait.
REPEAT_WITHIN = timedelta(seconds=10)
LONGEST_PAUSE_SECONDS = 2.0

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """Whose limits a call spends, and what opens the door. Its repr shows no token."""

    account: Account
    token: SecretStr
    tenant_id: str


@dataclass(frozen=True)
class Request:
    """One call below the provider's address; what it asks for, unless it is a write."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    good: frozenset[int] = frozenset({200})
    """The statuses that answer it."""
    take: Callable[[bytes], object] | None = field(default=None, repr=False)
    """Is given the body piece by piece, when it is too large to be held."""
    deadline: timedelta | None = None
    """In place of the transport's."""


@dataclass(frozen=True)
class Got(Generic[T]):
    """What was read from an answer, and what it cost."""

    value: T
    calls: int
    bytes: int


class ApiClient:
    """Calls one provider within its limits. One object serves all threads of a process.

    `sleep` is what waits between the attempts of one call.
    """

    def __init__(
        self,
        base_url: str,
        limiter: Limiter,
        transport: Transport | None = None,
        *,
        dialect: Dialect = XERO,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._dialect = dialect
        self._limiter = limiter
        self._transport = transport or Transport()
        self._sleep = sleep

    def get(
        self,
        request: Request,
        account: Account,
        call_class: CallClass,
        before_attempt: Callable[[], None],
        read: Callable[[Answer], T],
    ) -> Got[T]:
        """Ask until `read` can make something of the answer, at most ATTEMPTS times, or raise its error.

        `before_attempt` runs before each attempt and may raise to end them. `read` raises BrokenAnswerError
        for what it cannot read, which is asked again. A 429 is never repeated here: RateLimitedError.
        """
        return self._attempts(request, account, call_class, before_attempt, read, _is_short_trouble)

    def write(
        self,
        request: Request,
        account: Account,
        call_class: CallClass,
        before_attempt: Callable[[], None],
        read: Callable[[Answer], T],
        *,
        repeatable: bool,
    ) -> Got[T]:
        """Send what changes something at the provider. UnknownOutcomeError: it may have been done.

        It is repeated when it never reached the provider; in doubt, only when it is `repeatable`: then the
        provider keeps its Idempotency-Key and does it once. What is in doubt stays so until a good answer.
        """
        doubts: list[BaseException] = []

        def may_repeat(error: BaseException) -> bool:
            if isinstance(error, TransientError) and not error.unsent:
                doubts.append(error)
            return _is_short_trouble(error) and (repeatable or not doubts)

        try:
            return self._attempts(request, account, call_class, before_attempt, read, may_repeat)
        except ConnectorError as error:
            if not doubts:
                raise
            unknown = UnknownOutcomeError(
                "It was sent, but no answer says whether it was done: it may have been.",
                provider_words=error.provider_words,
            )
            unknown.calls = error.calls
            raise unknown from error

    def elsewhere(self, url: str, take: Callable[[bytes], object], deadline: timedelta) -> Answer:
        """One GET of an address that the provider points to: without our headers, outside its limits."""
        answer = self._transport.send("GET", url, params={}, headers={}, take=take, deadline=deadline)
        if answer.status != 200:
            raise TransientError(
                "The address that the provider gave for the file does not give it. It is tried again later.",
                code="file_unavailable",
            )
        return answer

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _attempts(
        self,
        request: Request,
        account: Account,
        call_class: CallClass,
        before_attempt: Callable[[], None],
        read: Callable[[Answer], T],
        may_repeat: Callable[[BaseException], bool],
    ) -> Got[T]:
        calls = 0

        def attempt() -> Got[T]:
            nonlocal calls
            before_attempt()
            permit = self._permit(account, call_class)
            calls += 1
            reached("call.permitted")
            answer = self._send(request, permit)
            return Got(read(answer), calls, len(answer.body))

        repeat = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_repeat),
            stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_after_delay(REPEAT_WITHIN),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return repeat(attempt)
        except ConnectorError as error:
            error.calls = calls
            raise

    def _permit(self, account: Account, call_class: CallClass) -> Permit:
        try:
            return self._limiter.acquire(account, call_class)
        except NotBeforeError as refusal:
            raise RateLimitedError(refusal.wait, refusal.reason) from refusal
        except LimiterUnavailableError as failure:
            raise TransientError(
                "The calls cannot be counted because Redis is away, so none is made. It goes on by itself.",
                code="limiter_unavailable",
                unsent=True,
            ) from failure

    def _send(self, request: Request, permit: Permit) -> Answer:
        """One attempt. Each permit is given back exactly once, whatever happens."""
        try:
            answer = self._transport.send(
                request.method,
                self._base_url + request.path,
                params=request.params,
                headers=request.headers,
                body=request.body,
                take=request.take,
                deadline=request.deadline,
            )
        except BaseException as failure:
            outage = isinstance(failure, TransientError)
            self._limiter.failed(permit, outage=outage, over=_is_over(failure))
            raise
        reached("call.answered")
        answer = self._dialect.meant(answer)
        if answer.status >= 500:
            self._limiter.failed(permit, outage=True, over=True)
            raise verdict(answer, self._dialect)
        if answer.status == 429:
            raise self._too_many(permit, answer)
        self._limiter.answered(permit, self._dialect.remaining(answer))
        unchanged = answer.status == 304 and "If-Modified-Since" in request.headers
        if answer.status in request.good or unchanged:
            return answer
        raise verdict(answer, self._dialect)

    def _too_many(self, permit: Permit, answer: Answer) -> RateLimitedError:
        problem = hints.problem(answer)
        wait = self._limiter.answered(
            permit, self._dialect.remaining(answer), problem=problem, retry_after=hints.retry_after(answer)
        )
        return RateLimitedError(wait or timedelta(0), LIMITS_NAMED.get(problem, "minute limit"))


def _is_over(failure: BaseException) -> bool:
    """Whether the provider cannot be at it any more: it answered, or never got it."""
    never_got_it = isinstance(failure, TransientError) and failure.unsent
    return never_got_it or isinstance(failure, ConfigurationError | BrokenAnswerError)


def _is_short_trouble(error: BaseException) -> bool:
    return isinstance(error, TransientError) and error.at_once


# X-Rate-Limit-Problem; what is unknown counts as the minute's.
LIMITS_NAMED = {"day": "day limit", "appminute": "app limit", "concurrent": "backlog"}
