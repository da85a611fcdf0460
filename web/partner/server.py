"""The OAuth2 server by which Dext gets tokens: Authlib has the protocol, the store has the consents.

Each request has a server of its own, in one transaction: a code that is used is used up with whatever came
of it, and a pair is stored when it is answered.
"""

import secrets
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from starlette.responses import JSONResponse, Response

from store import partner_tokens
from store.database import Transaction
from store.partner_tokens import Code, Token
from sync import partner
from sync.services import Services
from web.partner.client import CLIENT_AUTH, Asked, Dext

ACCESS_LASTS = timedelta(hours=1)
CODE_LASTS = timedelta(minutes=5)
# A refresh whose answer was lost may be sent again for so long. Later it is somebody else who has the token.
SENT_AGAIN_WITHIN = timedelta(minutes=1)
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class PartnerServer(AuthorizationServer):  # type: ignore[misc]
    """Answers one request, within the transaction given."""

    def __init__(self, services: Services, tx: Transaction) -> None:
        super().__init__()
        self.services, self.tx = services, tx
        self.register_token_generator("default", _new_pair)
        self.register_grant(_ByCode, [_Proof()])
        self.register_grant(_ByRefresh)
        self.register_endpoint(_Revocation)

    def query_client(self, client_id: str) -> Dext | None:
        """The client, if it is ours."""
        client = Dext(self.services.settings)
        return client if client_id and client_id == client.get_client_id() else None

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Keep a pair: of the connection that a code makes, or of the consent that it is refreshed under."""
        if code := request.authorization_code:
            organisation_id = code.made.organisation_id
            grant_id, ends_at = partner.accept(self.tx, self.services, code.made)
        else:
            old: Token = request.refresh_token.made
            organisation_id, grant_id, ends_at = old.organisation_id, old.grant_id, old.expires_at
        for kind, lasts_until in (("access", min(ends_at, self.tx.now + ACCESS_LASTS)), ("refresh", ends_at)):
            partner_tokens.keep(
                self.tx,
                token[f"{kind}_token"],
                "access" if kind == "access" else "refresh",
                organisation_id=organisation_id,
                grant_id=grant_id,
                expires_at=lasts_until,
            )

    def create_oauth2_request(self, request: Asked) -> Asked:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Response:
        """An answer that nobody keeps a copy of."""
        told = {**dict(headers), **NO_STORE}
        told.pop("Content-Type", None)
        return JSONResponse(body, status, told) if isinstance(body, dict) else Response(body, status, told)

    def send_signal(self, *_args: Any, **_more: Any) -> None:
        """Nobody listens."""


class _Credential:
    """A code or a token as Authlib asks about it."""

    def __init__(self, made: Any) -> None:
        self.made = made
        self.code_challenge_method = "S256"

    @property
    def code_challenge(self) -> str:
        return str(self.made.challenge)

    def get_redirect_uri(self) -> str:
        return str(self.made.redirect_uri)

    def get_scope(self) -> str:
        return ""

    def check_client(self, _client: Dext) -> bool:
        return True  # there is one only


class _Proof(CodeChallenge):  # type: ignore[misc]
    """PKCE: there has to be one, and not the plain one."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        asked = grant.request.payload.data
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("A 'code_challenge' of the method S256 is needed.")
        super().validate_code_challenge(grant, redirect_uri)


class _ByCode(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH

    def generate_authorization_code(self) -> str:
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: Any) -> None:
        organisation_id, by = request.user
        partner_tokens.keep_code(
            self.server.tx,
            code,
            organisation_id=organisation_id,
            redirect_uri=request.payload.redirect_uri,
            challenge=request.payload.data["code_challenge"],
            consented_by=by,
            expires_at=self.server.tx.now + CODE_LASTS,
        )

    def query_authorization_code(self, code: str, _client: Dext) -> _Credential | None:
        """Once: a code that comes back was stolen by one of the two, and ends what it was exchanged for."""
        found: Code | None = partner_tokens.use_code(self.server.tx, code)
        if found and found.used_at and found.grant_id:
            partner.end(self.server.tx, found.organisation_id, found.grant_id, why="its code was used twice")
        return _Credential(found) if found and not found.used_at else None

    def delete_authorization_code(self, _code: _Credential) -> None:
        """It stays until its time is over, so that a second use shows."""

    def authenticate_user(self, code: _Credential) -> str:
        return str(code.made.organisation_id)


class _ByRefresh(RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _Credential | None:
        tx = self.server.tx
        found = partner_tokens.find(tx, refresh_token, "refresh")
        if found and found.used_at and tx.now - found.used_at > SENT_AGAIN_WITHIN:
            partner.end(tx, found.organisation_id, found.grant_id, why="a refresh token was used again")
            return None
        return _Credential(found) if found else None

    def authenticate_user(self, token: _Credential) -> str:
        return str(token.made.organisation_id)

    def revoke_old_credential(self, token: _Credential) -> None:
        partner_tokens.used(self.server.tx, token.made)


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = CLIENT_AUTH

    def query_token(self, token: str, _hint: str | None) -> _Credential | None:
        found = partner_tokens.find(self.server.tx, token, "access", "refresh")
        return _Credential(found) if found else None

    def revoke_token(self, token: _Credential, _request: Any) -> None:
        partner.end(self.server.tx, token.made.organisation_id, token.made.grant_id, why="revoked")


def _new_pair(**_asked: Any) -> dict[str, Any]:
    return {
        "token_type": "Bearer",
        "access_token": secrets.token_urlsafe(32),
        "expires_in": int(ACCESS_LASTS.total_seconds()),
        "refresh_token": secrets.token_urlsafe(32),
    }
