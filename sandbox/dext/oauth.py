"""Who may come into which account: one grant each, whose refresh token rotates and which ends in a year."""

import base64
import binascii
import hmac
import random
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from sandbox.answers import Answer, oauth_error
from sandbox.clock import Clock
from sandbox.dext.refusals import RefusedError
from sandbox.dext.switches import Switches
from sandbox.rendering import plain

ACCESS_SECONDS = 3600
CONNECTION_SECONDS = 365 * 86_400


@dataclass
class Grant:
    """The consent for one account; refresh tokens with the time at which each dies, if it is known."""

    account: str
    ends_at: float
    current: str
    refresh_tokens: dict[str, float | None] = field(default_factory=dict)

    def is_alive(self, now: float) -> bool:
        """Whether it was neither revoked nor is a year old."""
        return bool(self.current) and now < self.ends_at

    def serves(self, token: str, now: float) -> bool:
        """Whether a refresh token can be exchanged."""
        dies_at = self.refresh_tokens.get(token, 0.0)
        return self.is_alive(now) and (dies_at is None or now < dies_at)


@dataclass(frozen=True)
class Access:
    """What an access token stands for."""

    account: str
    expires_at: float


class Identity:
    """The token endpoint, the revocation, and the check of a bearer."""

    def __init__(self, clock: Clock, seed: int, accounts: Iterable[str]) -> None:
        self._clock = clock
        source = random.Random(f"{seed}:dext:identity")
        self.client_id = f"{source.getrandbits(128):032x}"
        self.client_secret = f"{source.getrandbits(256):064x}"
        self.grants: dict[str, Grant] = {}
        self.access: dict[str, Access] = {}
        for account in accounts:
            self.connect(account, f"dxr_{source.getrandbits(256):064x}")

    def connect(self, account: str, refresh_token: str) -> None:
        """A person consents (again): a year begins, and whatever token there was before is dead."""
        self._forget(account)
        ends_at = self._clock.now() + CONNECTION_SECONDS
        self.grants[account] = Grant(account, ends_at, refresh_token, {refresh_token: None})

    def exchange(
        self, authorization: str | None, form: Mapping[str, str], switches: Mapping[str, Switches]
    ) -> Answer:
        """A refresh token for an access token and the next refresh token; the one given dies at once."""
        if not self._is_client(authorization, form):
            return _stranger()
        if form.get("grant_type") != "refresh_token":
            return oauth_error("unsupported_grant_type")
        now, given = self._clock.now(), form.get("refresh_token", "")
        grant = next((each for each in self.grants.values() if each.serves(given, now)), None)
        if grant is None:
            return oauth_error("invalid_grant")
        return self._issue(grant, given, switches[grant.account], now)

    def revoke(self, authorization: str | None, form: Mapping[str, str]) -> Answer:
        """End the grant that a token of either kind belongs to; an unknown token is no error."""
        if not self._is_client(authorization, form):
            return _stranger()
        token = form.get("token", "")
        account = self.owner(token) or self._refreshed_by(token)
        if account is not None:
            self._forget(account)
            self.grants[account].current = ""
            self.grants[account].refresh_tokens.clear()
        return Answer(200, plain({}))

    def owner(self, token: str) -> str | None:
        """The account of an access token, good or not."""
        access = self.access.get(token)
        return access.account if access else None

    def check(self, token: str) -> None:
        """Let a good access token pass; raises RefusedError for every other."""
        now, access = self._clock.now(), self.access.get(token)
        if access is None:
            raise RefusedError(401, "unauthorised", "The access token is missing, unknown or revoked.")
        if not self.grants[access.account].is_alive(now):
            raise RefusedError(401, "connection_expired", "The connection has expired. Please reconnect.")
        if now >= access.expires_at:
            raise RefusedError(401, "token_expired", "The access token has expired.")

    def forget(self, token: str) -> None:
        """Let one access token die before its time."""
        self.access.pop(token, None)

    def _issue(self, grant: Grant, given: str, switches: Switches, now: float) -> Answer:
        grant.refresh_tokens = {
            token: dies_at for token, dies_at in grant.refresh_tokens.items() if grant.serves(token, now)
        }
        access = f"dxa_{secrets.token_urlsafe(32)}"
        self.access[access] = Access(grant.account, now + ACCESS_SECONDS)
        pair: dict[str, object] = {
            "access_token": access,
            "token_type": "Bearer",
            "scope": "account items lists",
        }
        if switches.expires_in == "told":
            pair["expires_in"] = ACCESS_SECONDS
        if switches.refresh_token == "rotates":  # noqa: S105 - a habit, not a token
            for token in {given, grant.current}:
                if grant.refresh_tokens.get(token) is None:
                    grant.refresh_tokens[token] = now + switches.grace_seconds
            grant.current = f"dxr_{secrets.token_urlsafe(32)}"
            grant.refresh_tokens[grant.current] = None
            pair["refresh_token"] = grant.current
        return Answer(200, plain(pair))

    def _refreshed_by(self, token: str) -> str | None:
        return next((each.account for each in self.grants.values() if token in each.refresh_tokens), None)

    def _forget(self, account: str) -> None:
        self.access = {token: access for token, access in self.access.items() if access.account != account}

    def _is_client(self, authorization: str | None, form: Mapping[str, str]) -> bool:
        client_id, secret = _basic(authorization) or (
            form.get("client_id", ""),
            form.get("client_secret", ""),
        )
        good = hmac.compare_digest(secret.encode(), self.client_secret.encode())
        return good and client_id == self.client_id


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization` header; empty when it has none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic(authorization: str | None) -> tuple[str, str] | None:
    scheme, _, coded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _stranger() -> Answer:
    return Answer(401, plain({"error": "invalid_client"}), headers={"WWW-Authenticate": "Basic"})
