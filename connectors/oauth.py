"""Xero's identity service: a fresh token pair for a grant, and which organisations a token reaches."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from connectors.errors import BrokenAnswerError
from connectors.tokens import Client, Identity, TokenPair, raise_for
from connectors.transport import Transport
from connectors.verdicts import XERO

__all__ = ["Tenant", "TokenPair", "XeroIdentity", "user_of"]

# What Xero grants an access token, should an answer not say: https://developer.xero.com/faq/oauth2
LIFETIME = timedelta(minutes=30)
LOST = (
    "The consent is no longer valid: it was revoked, unused for 60 days, or renewed elsewhere. Connect again."
)
SPENT = "within 30 minutes the same one can be given again."


@dataclass(frozen=True)
class Tenant:
    """An organisation that a grant reaches: `id` goes into each call, `connection_id` disconnects it."""

    id: str
    name: str
    type: str
    connection_id: str
    expires_at: datetime | None = None
    """When the provider ends the connection by itself, where it says so."""


class XeroIdentity(Identity):
    """Talks to Xero's identity service. After a refresh the old token stays good for 30 minutes."""

    def __init__(
        self,
        identity_url: str,
        api_url: str,
        client_id: str,
        client_secret: SecretStr,
        transport: Transport | None = None,
    ) -> None:
        token_url = f"{identity_url.rstrip('/')}/connect/token"
        super().__init__(Client(client_id, client_secret, token_url, LIFETIME, LOST, SPENT, XERO), transport)
        self._connections_url = f"{api_url.rstrip('/')}/connections"

    def user(self, access_token: SecretStr) -> str | None:
        """Whose consent it is, by the token's own claim."""
        return user_of(access_token)

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
        raise_for(answer, XERO)
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
