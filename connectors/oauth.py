"""Xero's identity service: a fresh token pair for a grant, and which organisations a token reaches."""

import base64
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

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
from connectors.verdicts import verdict

# RFC 6749 §5.2. All but the first are ours to mend: no person who connected can do anything about them.
GRANT_LOST = "invalid_grant"
OURS = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "unsupported_grant_type"}
)
# What Xero grants an access token, should an answer not say: https://developer.xero.com/faq/oauth2
LIFETIME = timedelta(minutes=30)
A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class TokenPair:
    """What a refresh gives. Save it before the access token is used: the old refresh token is spent."""

    access_token: SecretStr
    refresh_token: SecretStr
    expires_in: timedelta
    scope: str


@dataclass(frozen=True)
class Tenant:
    """An organisation that a grant reaches: `id` goes into each call, `connection_id` disconnects it."""

    id: str
    name: str
    type: str
    connection_id: str


class XeroIdentity:
    """Talks to Xero's identity service for one app. One object serves all threads of a process."""

    def __init__(
        self,
        identity_url: str,
        api_url: str,
        client_id: str,
        client_secret: SecretStr,
        transport: Transport | None = None,
    ) -> None:
        self._token_url = f"{identity_url.rstrip('/')}/connect/token"
        self._connections_url = f"{api_url.rstrip('/')}/connections"
        self._client_id = client_id
        self._client_secret = client_secret
        self._transport = transport or Transport()

    def refresh(self, refresh_token: SecretStr) -> TokenPair:
        """Exchange a refresh token for a new pair. It is sent once: whoever calls decides what comes next.

        GrantLostError when the provider calls the token dead, which may also mean that another worker was
        quicker; ConfigurationError when our app is at fault; TransientError when the outcome is unknown:
        the old token stays good for 30 minutes.
        """
        session = self._transport.prepare(
            OAuth2Session(
                self._client_id,
                self._client_secret.get_secret_value(),
                token_endpoint_auth_method="client_secret_basic",  # noqa: S106 - a method, no secret
            )
        )
        session.register_compliance_hook("refresh_token_response", _check)
        with self._transport.in_time():
            try:
                token = session.refresh_token(
                    self._token_url,
                    refresh_token=refresh_token.get_secret_value(),
                    timeout=self._transport.timeout,
                    allow_redirects=False,
                )
            except OAuthError as error:
                raise _refused(str(error.error), str(error.description or "")) from None
        return _pair(token)

    def connections(self, access_token: SecretStr) -> tuple[Tenant, ...]:
        """The organisations that this token's grant reaches."""
        answer = self._transport.get(
            self._connections_url,
            params={},
            headers={
                "Authorization": f"Bearer {access_token.get_secret_value()}",
                "Accept": "application/json",
            },
        )
        _raise_for(answer)
        try:
            return _tenants(json.loads(answer.body))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BrokenAnswerError(
                "The provider's list of connections cannot be read. It is asked again by itself."
            ) from error


def user_of(access_token: SecretStr) -> str | None:
    """Whose consent an access token stands for, by its own claim `xero_userid`; None where it does not say.

    One person has one token pair per app, whatever the number of organisations: two stored copies of it
    would wear each other out.
    """
    try:
        claims = access_token.get_secret_value().split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return str(content["xero_userid"])
    except (ValueError, TypeError, LookupError):
        return None


def _check(response: requests.Response) -> requests.Response:
    answer = Answer(response.status_code, response.headers, response.content)
    # A 400 or 401 of a token endpoint names its error in JSON, which Authlib reads.
    if answer.status not in {400, 401}:
        _raise_for(answer)
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


def _raise_for(answer: Answer) -> None:
    if answer.status == 429:
        raise RateLimitedError(hints.retry_after(answer) or A_MINUTE, "app limit")
    if answer.status != 200:
        raise verdict(answer)


def _refused(error: str, description: str) -> ConnectorError:
    words = f"{error} {description}".strip()
    if error == GRANT_LOST:
        return GrantLostError(
            "The consent is no longer valid: it was revoked, unused for 60 days, or renewed elsewhere."
            " Connect again.",
            provider_words=words,
        )
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


def _pair(token: dict[str, Any]) -> TokenPair:
    seconds = token.get("expires_in")
    return TokenPair(
        access_token=SecretStr(str(token["access_token"])),
        refresh_token=SecretStr(str(token["refresh_token"])),
        expires_in=timedelta(seconds=seconds) if isinstance(seconds, int) and seconds > 0 else LIFETIME,
        scope=str(token.get("scope") or ""),
    )


def _tenants(entries: Any) -> tuple[Tenant, ...]:
    if not isinstance(entries, list):
        raise TypeError("the connections are no list")
    return tuple(
        Tenant(
            id=str(entry["tenantId"]),
            name=str(entry.get("tenantName") or ""),
            type=str(entry["tenantType"]),
            connection_id=str(entry["id"]),
        )
        for entry in entries
    )
