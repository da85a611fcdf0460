"""What an unsuccessful answer means, as one table for each provider."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from connectors import hints
from connectors.errors import (
    AccessLostError,
    ConflictError,
    ConnectorError,
    InvalidError,
    NotFoundError,
    PermissionMissingError,
    RejectedError,
    TokenExpiredError,
    TransientError,
    UnsupportedError,
)
from connectors.transport import Answer
from limiter.limiter import Remaining


@dataclass(frozen=True)
class Rule:
    """An answer with one of these statuses, and these words in it, means this error."""

    statuses: range
    words: str
    error: type[ConnectorError]
    code: str
    sentence: str
    at_once: bool = False


@dataclass(frozen=True)
class Dialect:
    """How a provider says what its records do not: the errors, the calls left, a failure called a success."""

    table: tuple[Rule, ...]
    """The first rule that fits counts; words are looked for without regard to case."""
    remaining: Callable[[Answer], Remaining]
    meant: Callable[[Answer], Answer] = lambda answer: answer
    """The answer with the status that it should have had."""


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
_CONFLICT = "What was sent contradicts what the provider has. It is not sent again; look at its message."
_INVALID = "The provider does not accept what was sent. It is not sent again; look at its message."
_NOT_OFFERED = "The provider does not offer this."
_SLOW = f"The provider gave up waiting. {_AGAIN}"
_AWAY = f"The provider is not available. {_AGAIN}"
_FAILED = f"The provider failed. {_AGAIN}"
_BLOCKED = f"Something on the way to the provider refused the call. {_AGAIN}"
_ELSEWHERE = f"Something on the way to the provider sent the call elsewhere. {_AGAIN}"
_STRANGE = f"The provider gave an answer of no known kind. {_AGAIN}"

_GONE = (
    Rule(_one(404), "", NotFoundError, "not_found", _UNKNOWN),
    Rule(_one(410), "", NotFoundError, "not_found", _UNKNOWN),
)
_BROKEN_DOWN = (
    Rule(_one(501), "", UnsupportedError, "unsupported", _NOT_OFFERED),
    Rule(_one(503), "", TransientError, "unavailable", _AWAY, at_once=True),
    Rule(range(500, 600), "", TransientError, "server_error", _FAILED, at_once=True),
    Rule(range(300, 400), "", TransientError, "redirected", _ELSEWHERE),
    Rule(range(1000), "", TransientError, "unknown_status", _STRANGE),
)

# The words of a missing scope: https://github.com/XeroAPI/xero-node/issues/320; of an organisation that is
# out of reach: https://github.com/XeroAPI/xero-node/issues/432, which may come as a 401, too:
# https://github.com/XeroAPI/xero-php-oauth2/issues/138.
XERO = Dialect(
    table=(
        Rule(_one(401), "insufficient_scope", PermissionMissingError, "scope_missing", _NO_SCOPE),
        Rule(_one(401), "AuthorizationUnsuccessful", PermissionMissingError, "scope_missing", _NO_SCOPE),
        Rule(_one(401), "AuthenticationUnsuccessful", AccessLostError, "access_removed", _NO_ACCESS),
        Rule(_one(401), "", TokenExpiredError, "token_expired", _EXPIRED),
        Rule(_one(403), "insufficient_scope", PermissionMissingError, "scope_missing", _NO_SCOPE),
        Rule(_one(403), "AuthorizationUnsuccessful", PermissionMissingError, "right_missing", _NO_SCOPE),
        Rule(_one(403), "<html", TransientError, "blocked", _BLOCKED),
        Rule(_one(403), "", AccessLostError, "access_removed", _NO_ACCESS),
        *_GONE,
        Rule(_one(408), "", TransientError, "timeout", _SLOW),
        Rule(_one(400), "HighVolumeException", RejectedError, "high_volume", _TOO_MANY),
        Rule(_one(400), "ValidationException", InvalidError, "invalid", _INVALID),
        Rule(range(400, 500), "", RejectedError, "rejected", _REFUSED),
        *_BROKEN_DOWN,
    ),
    remaining=hints.remaining,
)


def _called_a_success(answer: Answer) -> Answer:
    """Dext's older API put failures into a 200, with the number that counts inside.

    https://github.com/cshirley/receipt_bank
    """
    if not 200 <= answer.status < 300 or b'"error' not in answer.body:
        return answer
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return answer
    if not isinstance(content, dict) or not any(content.get(key) for key in _ERROR_KEYS):
        return answer
    return replace(answer, status=_inner_status(content))


def _inner_status(content: dict[str, Any]) -> int:
    written = str(content.get("errorcode"))
    number = int(written) if written.isascii() and written.isdecimal() and len(written) == 3 else 0
    # Without a number that means a failure, it is our request that was refused.
    return number if 400 <= number < 600 else 400


_ERROR_KEYS = ("errorcode", "errors", "error")

DEXT = Dialect(
    table=(
        Rule(_one(401), "", TokenExpiredError, "token_expired", _EXPIRED),
        Rule(_one(403), "<html", TransientError, "blocked", _BLOCKED),
        Rule(_one(403), "feature_unavailable", UnsupportedError, "unsupported", _NOT_OFFERED),
        Rule(_one(403), "", PermissionMissingError, "right_missing", _NO_SCOPE),
        *_GONE,
        Rule(_one(405), "", UnsupportedError, "unsupported", _NOT_OFFERED),
        Rule(_one(408), "", TransientError, "timeout", _SLOW, at_once=True),
        Rule(_one(409), "", ConflictError, "conflict", _CONFLICT),
        Rule(_one(422), "", InvalidError, "invalid", _INVALID),
        Rule(range(400, 500), "", RejectedError, "rejected", _REFUSED),
        *_BROKEN_DOWN,
    ),
    remaining=hints.remaining_of_the_minute,
    meant=_called_a_success,
)


def verdict(answer: Answer, dialect: Dialect = XERO) -> ConnectorError:
    """The error that an unsuccessful answer, other than a 429, means."""
    said = f"{answer.headers.get('WWW-Authenticate', '')} {hints.head(answer)}".lower()
    rule = next(
        rule for rule in dialect.table if answer.status in rule.statuses and rule.words.lower() in said
    )
    error = rule.error(rule.sentence, code=rule.code, provider_words=hints.words(answer))
    if isinstance(error, TransientError):
        error.at_once = rule.at_once
    if isinstance(error, RejectedError):
        error.fields = hints.fields(answer)
    return error
