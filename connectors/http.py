"""One call to a provider: the limiter asked, short trouble repeated, the answer a value or a named error.

This alone knows status codes: above it nobody sees one, nor an exception of the HTTP library.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

import tenacity
from pydantic import SecretStr

from config.limits import CallClass
from connectors import hints
from connectors.errors import (
    AccessLostError,
    ConnectorError,
    NotFoundError,
    PermissionMissingError,
    RateLimitedError,
    RejectedError,
    TokenExpiredError,
    TransientError,
    UnsupportedError,
)
from connectors.transport import Answer, Transport
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
    """One GET below the provider's address."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


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
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url.rstrip("/")
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
        calls = 0

        def attempt() -> Got[T]:
            nonlocal calls
            before_attempt()
            permit = self._permit(account, call_class)
            calls += 1
            answer = self._send(request, permit)
            return Got(read(answer), calls, len(answer.body))

        repeat = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_short_trouble),
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

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def _permit(self, account: Account, call_class: CallClass) -> Permit:
        try:
            return self._limiter.acquire(account, call_class)
        except NotBeforeError as refusal:
            raise RateLimitedError(refusal.wait, refusal.reason) from refusal
        except LimiterUnavailableError as failure:
            raise TransientError(
                "The calls cannot be counted because Redis is away, so none is made. It goes on by itself.",
                code="limiter_unavailable",
            ) from failure

    def _send(self, request: Request, permit: Permit) -> Answer:
        """One attempt. Each permit is given back exactly once, whatever happens."""
        try:
            answer = self._transport.get(
                self._base_url + request.path, params=request.params, headers=request.headers
            )
        except BaseException as failure:
            self._limiter.failed(permit, outage=isinstance(failure, TransientError))
            raise
        if answer.status >= 500:
            self._limiter.failed(permit, outage=True)
            raise verdict(answer)
        if answer.status == 429:
            raise self._too_many(permit, answer)
        self._limiter.answered(permit, hints.remaining(answer))
        if answer.status == 200 or (answer.status == 304 and "If-Modified-Since" in request.headers):
            return answer
        raise verdict(answer)

    def _too_many(self, permit: Permit, answer: Answer) -> RateLimitedError:
        problem = hints.problem(answer)
        wait = self._limiter.answered(
            permit, hints.remaining(answer), problem=problem, retry_after=hints.retry_after(answer)
        )
        return RateLimitedError(wait or timedelta(0), LIMITS_NAMED.get(problem, "minute limit"))


def _is_short_trouble(error: BaseException) -> bool:
    return isinstance(error, TransientError) and error.at_once


# X-Rate-Limit-Problem; what is unknown counts as the minute's.
LIMITS_NAMED = {"day": "day limit", "appminute": "app limit", "concurrent": "backlog"}


@dataclass(frozen=True)
class Rule:
    """An answer with one of these statuses, and these words in it, means this error."""

    statuses: range
    words: str
    error: type[ConnectorError]
    code: str
    sentence: str
    at_once: bool = False


def _one(status: int) -> range:
    return range(status, status + 1)


_AGAIN = "It is tried again by itself."
_EXPIRED = "The access token is used up. It is renewed by itself."
_NO_SCOPE = "The connection lacks the permission for this data. Connect again and allow all that is asked."
_NO_ACCESS = (
    "The provider no longer lets us reach this organisation: it was disconnected there, or its trial ended."
    " Connect it again."
)
_UNKNOWN = "The provider does not know what was asked for."
_TOO_MANY = "The provider refuses to list so many records at once. Please report this."
_REFUSED = "The provider refuses our request. Please report this."
_NOT_OFFERED = "The provider does not offer this."
_SLOW = f"The provider gave up waiting. {_AGAIN}"
_AWAY = f"The provider is not available. {_AGAIN}"
_FAILED = f"The provider failed. {_AGAIN}"
_BLOCKED = f"Something on the way to the provider refused the call. {_AGAIN}"
_ELSEWHERE = f"Something on the way to the provider sent the call elsewhere. {_AGAIN}"
_STRANGE = f"The provider gave an answer of no known kind. {_AGAIN}"

# The first rule that fits counts; words are looked for without regard to case.
# The words of a missing scope: https://github.com/XeroAPI/xero-node/issues/320; of an organisation that is
# out of reach: https://github.com/XeroAPI/xero-node/issues/432, which may come as a 401, too:
# https://github.com/XeroAPI/xero-php-oauth2/issues/138.
TABLE = (
    Rule(_one(401), "insufficient_scope", PermissionMissingError, "scope_missing", _NO_SCOPE),
    Rule(_one(401), "AuthorizationUnsuccessful", PermissionMissingError, "scope_missing", _NO_SCOPE),
    Rule(_one(401), "AuthenticationUnsuccessful", AccessLostError, "access_removed", _NO_ACCESS),
    Rule(_one(401), "", TokenExpiredError, "token_expired", _EXPIRED),
    Rule(_one(403), "insufficient_scope", PermissionMissingError, "scope_missing", _NO_SCOPE),
    Rule(_one(403), "AuthorizationUnsuccessful", PermissionMissingError, "right_missing", _NO_SCOPE),
    Rule(_one(403), "<html", TransientError, "blocked", _BLOCKED),
    Rule(_one(403), "", AccessLostError, "access_removed", _NO_ACCESS),
    Rule(_one(404), "", NotFoundError, "not_found", _UNKNOWN),
    Rule(_one(410), "", NotFoundError, "not_found", _UNKNOWN),
    Rule(_one(408), "", TransientError, "timeout", _SLOW),
    Rule(_one(400), "HighVolumeException", RejectedError, "high_volume", _TOO_MANY),
    Rule(range(400, 500), "", RejectedError, "rejected", _REFUSED),
    Rule(_one(501), "", UnsupportedError, "unsupported", _NOT_OFFERED),
    Rule(_one(503), "", TransientError, "unavailable", _AWAY, at_once=True),
    Rule(range(500, 600), "", TransientError, "server_error", _FAILED, at_once=True),
    Rule(range(300, 400), "", TransientError, "redirected", _ELSEWHERE),
    Rule(range(1000), "", TransientError, "unknown_status", _STRANGE),
)


def verdict(answer: Answer) -> ConnectorError:
    """The error that an unsuccessful answer, other than a 429, means."""
    said = f"{answer.headers.get('WWW-Authenticate', '')} {hints.head(answer)}".lower()
    rule = next(rule for rule in TABLE if answer.status in rule.statuses and rule.words.lower() in said)
    error = rule.error(rule.sentence, code=rule.code, provider_words=hints.words(answer))
    if isinstance(error, TransientError):
        error.at_once = rule.at_once
    return error
