"""A grant's token pair at any provider's identity service: refreshed, or revoked (RFC 6749 and 7009)."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from pydantic import SecretStr

from connectors import hints
from connectors.errors import (
    BrokenAnswerError,
    ConfigurationError,
    ConnectorError,
    GrantLostError,
    RateLimitedError,
    TransientError,
)
from connectors.transport import Answer, Transport
from connectors.verdicts import Dialect, verdict

# RFC 6749 §5.2. All but the first are ours to mend: no person who connected can do anything about them.
GRANT_LOST = "invalid_grant"
OURS = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "unsupported_grant_type"}
)
A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class TokenPair:
    """What a refresh gives. Save it before the access token is used: the old refresh token is spent."""

    access_token: SecretStr
    refresh_token: SecretStr
    expires_in: timedelta
    scope: str


@dataclass(frozen=True)
class Client:
    """Our app at one identity service, and that service's habits."""

    id: str
    secret: SecretStr
    token_url: str
    lifetime: timedelta
    """How long an access token lasts, should an answer not say."""
    lost: str
    """What a person is told when the consent is over."""
    spent: str
    """What becomes of a refresh token once it was exchanged, for whoever gave it in vain."""
    dialect: Dialect
    auth: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"


class Identity:
    """Refreshes and revokes for one app. One object serves all threads of a process."""

    def __init__(self, client: Client, transport: Transport | None = None) -> None:
        self._client = client
        self._transport = transport or Transport()

    @property
    def spent(self) -> str:
        """What becomes of a refresh token once it was exchanged, for whoever gave it in vain."""
        return self._client.spent

    def admit(self, token: SecretStr) -> TokenPair:
        """The pair behind a token that a person brings; raises as `refresh` does."""
        return self.refresh(token)

    def user(self, access_token: SecretStr) -> str | None:  # noqa: ARG002 - most tokens do not say
        """Whose consent an access token stands for; None where it does not say.

        Two consents of one person are one: two stored pairs of it would wear each other out.
        """
        return None

    def refresh(self, refresh_token: SecretStr) -> TokenPair:
        """Exchange a refresh token for a new pair. It is sent once: whoever calls decides what comes next.

        GrantLostError when the provider calls the token dead, which may also mean that another worker was
        quicker; ConfigurationError when our app is at fault; TransientError when the outcome is unknown.
        """
        session = self._session()
        session.register_compliance_hook(
            "refresh_token_response", lambda response: _check(response, self._client.dialect)
        )
        with self._transport.in_time():
            try:
                token = session.refresh_token(
                    self._client.token_url,
                    refresh_token=refresh_token.get_secret_value(),
                    timeout=self._transport.timeout,
                    allow_redirects=False,
                )
            except OAuthError as error:
                raise _refused(str(error.error), str(error.description or ""), self._client.lost) from None
        return _pair(token, self._client.lifetime)

    def _revoke(self, url: str, refresh_token: SecretStr) -> None:
        with self._transport.in_time():
            response = self._session().revoke_token(
                url,
                token=refresh_token.get_secret_value(),
                token_type_hint="refresh_token",  # noqa: S106 - a kind, no secret
                timeout=self._transport.timeout,
                allow_redirects=False,
            )
            answer = Answer(response.status_code, response.headers, response.content)
        # A refusal names its error as that of a refresh does; a token that is unknown is none.
        if answer.status in {400, 401}:
            raise _refused(*_named(answer), self._client.lost)
        raise_for(answer, self._client.dialect)

    def _session(self) -> Any:
        return self._transport.prepare(
            OAuth2Session(
                self._client.id,
                self._client.secret.get_secret_value(),
                token_endpoint_auth_method=self._client.auth,
                revocation_endpoint_auth_method=self._client.auth,
            )
        )


def raise_for(answer: Answer, dialect: Dialect) -> None:
    """Raise what an answer of an identity service means, unless it is a good one."""
    if answer.status == 429:
        raise RateLimitedError(hints.retry_after(answer) or A_MINUTE, "app limit")
    if answer.status != 200:
        raise verdict(answer, dialect)


def _check(response: requests.Response, dialect: Dialect) -> requests.Response:
    answer = Answer(response.status_code, response.headers, response.content)
    # A 400 or 401 of a token endpoint names its error in JSON, which Authlib reads.
    if answer.status not in {400, 401}:
        raise_for(answer, dialect)
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not ("error" in content or content.get("access_token")):
        raise BrokenAnswerError(
            "The identity service's answer cannot be read. The tokens are kept; it is tried again by itself.",
            provider_words=hints.words(answer),
        )
    return response


def _named(answer: Answer) -> tuple[str, str]:
    try:
        content = json.loads(answer.body)
        return str(content["error"]), str(content.get("error_description") or "")
    except (ValueError, TypeError, LookupError, RecursionError):
        return "", hints.words(answer)


def _refused(error: str, description: str, lost: str) -> ConnectorError:
    words = f"{error} {description}".strip()
    if error == GRANT_LOST:
        return GrantLostError(lost, provider_words=words)
    if error in OURS:
        return ConfigurationError(
            "The identity service refuses our app. Check the client id, its secret and the scopes.",
            code=error,
            provider_words=words,
        )
    return TransientError(
        "The identity service refused for a reason we do not know. It is tried again by itself.",
        code="token_refused",
        provider_words=words,
    )


def _pair(token: dict[str, Any], lifetime: timedelta) -> TokenPair:
    seconds = token.get("expires_in")
    return TokenPair(
        access_token=SecretStr(str(token["access_token"])),
        refresh_token=SecretStr(str(token["refresh_token"])),
        expires_in=timedelta(seconds=seconds) if isinstance(seconds, int) and seconds > 0 else lifetime,
        scope=str(token.get("scope") or ""),
    )
