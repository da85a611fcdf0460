"""Dext as an OAuth2 client, as the settings register it, and what it asks, as Authlib reads it."""

import hmac
from collections import defaultdict
from collections.abc import Sequence

from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Payload, OAuth2Request
from starlette.datastructures import Headers

from config.settings import Settings

CLIENT_AUTH = ["client_secret_basic", "client_secret_post"]
Pairs = Sequence[tuple[str, str]]


class Payload(OAuth2Payload):  # type: ignore[misc]  # Authlib is not typed
    """The parameters of a request; where one comes twice, Authlib is to see it."""

    def __init__(self, pairs: Pairs) -> None:
        self._every: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in pairs:
            self._every[name].append(value)

    @property
    def data(self) -> dict[str, str]:
        """The first of each."""
        return {name: values[0] for name, values in self._every.items()}

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        """All of each."""
        return self._every


class Asked(OAuth2Request):  # type: ignore[misc]
    """A request as Authlib reads it, at the address that whoever sent it knows."""

    def __init__(self, settings: Settings, method: str, pairs: Pairs, headers: Headers | None = None) -> None:
        super().__init__(method, f"{settings.dext_partner_url}/", headers=headers or Headers())
        self.payload = Payload(pairs)

    @property
    def form(self) -> dict[str, str]:
        """What came in the body."""
        data: dict[str, str] = self.payload.data
        return data


class Dext(ClientMixin):  # type: ignore[misc]
    """The one client there is, as the settings register it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_client_id(self) -> str:
        return self._settings.dext_partner_client_id or ""

    def get_default_redirect_uri(self) -> None:
        """None: it always has to be said."""

    def get_allowed_scope(self, _scope: str) -> str:
        return ""  # a consent is for all that is here

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self._settings.dext_partner_redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        known = self._settings.dext_partner_client_secret
        given = client_secret.encode("utf-8", "replace")
        return known is not None and hmac.compare_digest(known.get_secret_value().encode(), given)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method in CLIENT_AUTH

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token")
