"""What a failed call means, grouped by what the caller does next.

ConnectorError
├── TransientError          same call again may succeed      try again, later
│   └── BrokenAnswerError   an answer nobody can read        the same; repeated at once, a few times
├── RateLimitedError        carries wait, and which limit    snooze for that long
├── TokenExpiredError       the access token is used up      refresh once, repeat once
├── GrantLostError          the token pair is dead           stop all its connections, tell a person
├── AccessLostError         this organisation left us        stop this connection, tell a person
├── PermissionMissingError  a scope or right is missing      stop this resource, tell a person
├── RejectedError           our request is wrong             stop this resource, tell us
│   ├── ConflictError       it contradicts what is there     do not repeat, show the message
│   └── InvalidError        some of its fields are wrong     do not repeat, show the message and fields
├── NotFoundError           it is not there                  the caller decides
├── UnsupportedError        not part of this agreement       a normal answer
├── UnknownOutcomeError     a write may have been done       look, or send it again with the same key
└── ConfigurationError      our own set-up is wrong          stop no connection, tell the operator
"""

from datetime import timedelta
from typing import ClassVar

WORDS_LIMIT = 300
"""Characters of a provider's words that an error carries: enough for a person, too few to flood a log."""


class ConnectorError(Exception):
    """A call failed. `sentence` says what happened, why and what to do; `provider_words` quotes the provider.

    `code` is short and stable, for programs. No error ever holds a token, a header or a body that we sent.
    `calls` counts the HTTP attempts that were made before this was raised.
    """

    default_code: ClassVar[str] = "failed"

    def __init__(self, sentence: str, *, code: str = "", provider_words: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code or self.default_code
        self.provider_words = " ".join(provider_words.split())[:WORDS_LIMIT]
        self.calls = 0


class TransientError(ConnectorError):
    """The same call may succeed later. `at_once` marks what is short enough to repeat right away.

    `unsent` marks what never reached the provider, so that even a write may be repeated.
    """

    default_code = "unavailable"

    def __init__(
        self,
        sentence: str,
        *,
        code: str = "",
        provider_words: str = "",
        at_once: bool = False,
        unsent: bool = False,
    ) -> None:
        super().__init__(sentence, code=code, provider_words=provider_words)
        self.at_once = at_once
        self.unsent = unsent


class BrokenAnswerError(TransientError):
    """An answer came that nobody can read: empty, cut off, HTML, or not as long as it says itself."""

    default_code = "broken_answer"

    def __init__(self, sentence: str, *, code: str = "", provider_words: str = "") -> None:
        super().__init__(sentence, code=code, provider_words=provider_words, at_once=True)


class RateLimitedError(ConnectorError):
    """No call now. `wait` is relative: the database's clock adds it up; `reason` is from the closed list."""

    default_code = "rate_limited"

    def __init__(self, wait: timedelta, reason: str) -> None:
        super().__init__(
            f"No call may go out for {wait.total_seconds():.0f} s: {reason}. It goes on by itself."
        )
        self.wait = wait
        self.reason = reason


class TokenExpiredError(ConnectorError):
    """The access token is used up: refresh once and repeat once."""

    default_code = "token_expired"


class GrantLostError(ConnectorError):
    """The token pair is dead: every connection of this grant stops until a person connects again."""

    default_code = "grant_expired"


class AccessLostError(ConnectorError):
    """The token is good but does not reach this organisation: check it against the list of connections."""

    default_code = "access_removed"


class PermissionMissingError(ConnectorError):
    """A scope, or a right of the person who connected, is missing for this resource."""

    default_code = "permission_missing"


class RejectedError(ConnectorError):
    """The provider refuses our request, and will refuse it again.

    `fields` are the parts it finds wrong, each with the provider's code for why, as far as it names them.
    """

    default_code = "rejected"
    fields: tuple[tuple[str, str], ...] = ()


class ConflictError(RejectedError):
    """What we sent contradicts what the provider has."""

    default_code = "conflict"


class InvalidError(RejectedError):
    """What we sent cannot be accepted as it is."""

    default_code = "invalid"


class NotFoundError(ConnectorError):
    """It is not there, or belongs to another organisation."""

    default_code = "not_found"


class UnsupportedError(ConnectorError):
    """The provider does not offer this under the present agreement."""

    default_code = "unsupported"


class UnknownOutcomeError(ConnectorError):
    """A write was sent, and no answer says what became of it. It must not be taken for a failure."""

    default_code = "unknown_outcome"


class ConfigurationError(ConnectorError):
    """Our client id, secret, scopes or addresses are wrong: no connection is to blame."""

    default_code = "configuration"
