"""Dext's identity service, as far as settings say where it is: a fresh token pair, or an end to it."""

from datetime import timedelta

from pydantic import SecretStr

from config.dext import DextSettings
from connectors.errors import GrantLostError, UnsupportedError
from connectors.tokens import Client, Identity, TokenPair
from connectors.transport import Transport
from connectors.verdicts import DEXT

# Should an answer not say how long its access token lasts.
LIFETIME = timedelta(hours=1)
# https://help.dext.com/en/s/article/reconnecting-when-an-integration-expires
LOST = (
    "The consent is no longer valid: it was revoked, is more than a year old, or was renewed elsewhere."
    " Connect Dext again."
)


SPENT = "ask Dext for another one, should it be refused now."
# A token that is never renewed lasts until Dext refuses it.
FOR_GOOD = timedelta(days=100 * 365)


class DextIdentity(Identity):
    """Talks to Dext's identity service. Nothing says how long an old refresh token outlives its exchange."""

    def __init__(self, settings: DextSettings, transport: Transport | None = None) -> None:
        client = Client(
            id=settings.dext_client_id or "",
            secret=settings.dext_client_secret or SecretStr(""),
            token_url=settings.dext_token_url or "",
            lifetime=LIFETIME,
            lost=LOST,
            spent=SPENT,
            dialect=DEXT,
            auth=settings.dext_client_auth,
        )
        super().__init__(client, transport)
        self._refreshes = settings.dext_auth_mode == "oauth2_code"
        self._revoke_url = settings.dext_revoke_url

    def admit(self, token: SecretStr) -> TokenPair:
        """As `refresh`; where tokens are of the kind that stays, the one given is all there is."""
        return super().admit(token) if self._refreshes else TokenPair(token, token, FOR_GOOD, "")

    def refresh(self, refresh_token: SecretStr) -> TokenPair:
        """As any identity service does; GrantLostError at once where tokens are of the kind that stays."""
        if not self._refreshes:
            raise GrantLostError("Dext no longer takes this token, and it is never renewed. Enter a new one.")
        return super().refresh(refresh_token)

    def revoke(self, refresh_token: SecretStr) -> None:
        """End a consent, also when it has ended before. UnsupportedError without an address to do so."""
        if self._revoke_url is None:
            raise UnsupportedError("Dext offers no way to revoke a consent; end it in Dext itself.")
        self._revoke(self._revoke_url, refresh_token)
