"""Grants, their tokens and the tenants they reach: who may come in.

A refresh token may be used until 30 minutes after its first use (or after a newer one was issued in its
place), and for 60 days when nobody uses it; an access token lives 1,800 seconds.
"""

import base64
import binascii
import hashlib
import hmac
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from sandbox.answers import Answer, not_found, oauth_error, refusal, unauthorised
from sandbox.clock import Clock
from sandbox.endpoints import ENDPOINTS
from sandbox.rendering import plain

ACCESS_SECONDS = 1800
GRACE_SECONDS = 30 * 60
UNUSED_SECONDS = 60 * 86_400
FORGET_SECONDS = 86_400

# Of Accounting's scopes the narrow form is enough for reading.
_READ = {
    f"{endpoint.scope}.read" if endpoint.scope.startswith("accounting.") else endpoint.scope
    for endpoint in ENDPOINTS
}
SCOPES = " ".join(
    (
        "openid profile email offline_access",
        *sorted(_READ),
        "accounting.invoices accounting.attachments",
        "accounting.transactions.read",  # the old broad one: maybe no other opens receipts and claims
    )
)
"""What every consent was given for: to read each list, and to write documents and their files."""


@dataclass
class RefreshToken:
    """When it was issued, and since when its 30 minutes of grace run."""

    issued_at: float
    ends_from: float | None = None

    def is_good(self, now: float) -> bool:
        """Whether it can still be exchanged."""
        if self.ends_from is not None and now > self.ends_from + GRACE_SECONDS:
            return False
        return now <= self.issued_at + UNUSED_SECONDS


@dataclass
class Connection:
    """One tenant that a grant reaches; `id` is what a disconnect names."""

    id: str
    tenant_id: str
    name: str
    kind: str = "ORGANISATION"
    connected: bool = True


@dataclass
class Grant:
    """One consent: its tokens and the tenants it reaches."""

    user_id: str
    event_id: str
    connections: list[Connection]
    created_at: float
    scopes: str = SCOPES
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict)
    current: str = ""

    def reaches(self, tenant: str) -> bool:
        """Whether calls for this tenant are let through."""
        return any(
            each.connected and each.kind == "ORGANISATION" and each.tenant_id == tenant
            for each in self.connections
        )


@dataclass(frozen=True)
class Access:
    """What an access token stands for."""

    grant: int
    expires_at: float


class Identity:
    """The token endpoint, the connections, and the check of a bearer."""

    def __init__(self, clock: Clock, seed: int, grants: list[Grant], client_secret: str | None) -> None:
        self._clock = clock
        random_of_seed = random.Random(f"{seed}:identity")
        self.client_id = f"{random_of_seed.getrandbits(128):032X}"
        self.client_secret = client_secret or _random_token(random_of_seed, 36)
        self.grants = grants
        self.access: dict[str, Access] = {}
        for grant in grants:
            grant.current = _random_token(random_of_seed, 43)
            grant.refresh_tokens[grant.current] = RefreshToken(clock.now())

    def exchange(self, authorization: str | None, form: Mapping[str, str]) -> Answer:
        """`POST /connect/token`: a refresh token for a new pair; the token given has 30 minutes left."""
        if not self._is_client(authorization, form):
            return oauth_error("invalid_client")
        if form.get("grant_type") != "refresh_token":
            return oauth_error("unsupported_grant_type")
        now = self._clock.now()
        given = form.get("refresh_token", "")
        for number, grant in enumerate(self.grants):
            token = grant.refresh_tokens.get(given)
            if token is not None and token.is_good(now):
                return self._issue(number, grant, now)
        return oauth_error("invalid_grant")

    def revoke(self, authorization: str | None, form: Mapping[str, str]) -> Answer:
        """`POST /connect/revocation`: ends the grant and every connection of its user."""
        if not self._is_client(authorization, form):
            return oauth_error("invalid_client")
        for number, grant in enumerate(self.grants):
            if form.get("token", "") in grant.refresh_tokens:
                self.end(number)
        return Answer(200, b"", None)

    def end(self, number: int) -> None:
        """Forget a grant's tokens and disconnect its tenants."""
        grant = self.grants[number]
        grant.refresh_tokens.clear()
        grant.current = ""
        self.access = {token: access for token, access in self.access.items() if access.grant != number}
        for connection in grant.connections:
            connection.connected = False

    def bearer(self, authorization: str | None) -> Grant | Answer:
        """The grant behind an `Authorization` header, or the 401 to answer with."""
        scheme, _, token = (authorization or "").partition(" ")
        access = self.access.get(token.strip())
        if scheme.lower() != "bearer" or access is None:
            return unauthorised("AuthenticationUnsuccessful")
        if self._clock.now() >= access.expires_at:
            at = datetime.fromtimestamp(access.expires_at, UTC).strftime("%m/%d/%Y %H:%M:%S")
            return unauthorised(f"TokenExpired: token expired at {at}")
        return self.grants[access.grant]

    def connections(self, grant: Grant, event_id: str | None, hidden: frozenset[str]) -> Answer:
        """`GET /connections`: what this consent's user has connected, of any kind."""
        shown = [each for each in grant.connections if each.connected and each.tenant_id not in hidden]
        if event_id is not None and event_id != grant.event_id:
            shown = []
        created = _seven_decimals(grant.created_at)
        listed = [
            {
                "id": each.id,
                "authEventId": grant.event_id,
                "tenantId": each.tenant_id,
                "tenantType": each.kind,
                "tenantName": each.name,
                "createdDateUtc": created,
                "updatedDateUtc": created,
            }
            for each in shown
        ]
        return Answer(200, plain(listed), "application/json", rows=len(listed))

    def disconnect(self, grant: Grant, connection_id: str) -> Answer:
        """`DELETE /connections/{id}`: 204; a tenant's id in place of the connection's gives 403."""
        for each in grant.connections:
            if each.tenant_id == connection_id:
                return refusal(403, "Forbidden", "AuthenticationUnsuccessful")
            if each.id == connection_id and each.connected:
                each.connected = False
                return Answer(204, b"", None)
        return not_found()

    def _is_client(self, authorization: str | None, form: Mapping[str, str]) -> bool:
        scheme, _, coded = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                words = base64.b64decode(coded, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return False
            client_id, _, secret = (unquote_plus(word) for word in words.partition(":"))
        else:
            client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        good = hmac.compare_digest(secret.encode(), self.client_secret.encode())
        return good and client_id == self.client_id

    def _issue(self, number: int, grant: Grant, now: float) -> Answer:
        for token in grant.refresh_tokens.values():
            if token.ends_from is None:
                token.ends_from = now
        self.access = {
            token: access for token, access in self.access.items() if access.expires_at > now - FORGET_SECONDS
        }
        grant.refresh_tokens = {
            name: token for name, token in grant.refresh_tokens.items() if token.is_good(now)
        }
        grant.current = secrets.token_urlsafe(32)
        grant.refresh_tokens[grant.current] = RefreshToken(now)
        bearer = self._jwt(grant, now)
        self.access[bearer] = Access(number, now + ACCESS_SECONDS)
        pair = {
            "id_token": self._jwt(grant, now),
            "access_token": bearer,
            "expires_in": ACCESS_SECONDS,
            "token_type": "Bearer",
            "refresh_token": grant.current,
            "scope": grant.scopes,
        }
        return Answer(200, plain(pair), "application/json; charset=UTF-8")

    def _jwt(self, grant: Grant, now: float) -> str:
        head = {"alg": "RS256", "kid": hashlib.sha256(self.client_id.encode()).hexdigest()[:40], "typ": "JWT"}
        claims = {
            "nbf": int(now),
            "exp": int(now) + ACCESS_SECONDS,
            "iss": "https://identity.xero.com",
            "aud": "https://identity.xero.com/resources",
            "client_id": self.client_id,
            "sub": hashlib.sha256(grant.user_id.encode()).hexdigest()[:32],
            "xero_userid": grant.user_id,
            "jti": secrets.token_hex(16).upper(),
            "authentication_event_id": grant.event_id,
            "scope": grant.scopes.split(),
        }
        parts = (plain(head), plain(claims), secrets.token_bytes(256))
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _random_token(source: random.Random, length: int) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return "".join(source.choices(letters, k=length))


def _seven_decimals(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"
