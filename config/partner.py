"""What an operator sets where Dext calls us: where we are, who Dext is, and where it may be sent back to."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

from config.values import LOOPBACK, ProviderUrl

NEEDED = ("dext_partner_client_id", "dext_partner_client_secret", "dext_partner_redirect_uris")


def _split(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _safe(addresses: Sequence[str]) -> Sequence[str]:
    """Codes travel to these addresses. They are compared letter by letter, so nothing is taken off them."""
    for address in addresses:
        parts = urlsplit(address)
        if not parts.hostname or parts.fragment or parts.scheme not in ("https", "http"):
            raise ValueError("each is an https:// address without a fragment")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("plain http is only for this machine: codes would travel in the open")
    return addresses


def _complete(url: str | None, info: ValidationInfo) -> str | None:
    if url is None:
        return url
    missing = [f"LEDGERTIDE_{name.upper()}" for name in NEEDED if not info.data.get(name)]
    if info.data.get("dext_auth_mode", "partner_hosted") != "partner_hosted":
        missing.insert(0, "LEDGERTIDE_DEXT_AUTH_MODE=partner_hosted")
    if missing:
        raise ValueError(f"it is of no use without {' and '.join(missing)}")
    return url


class PartnerSettings(BaseModel):
    """Without `dext_partner_url` nobody is let in."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    dext_partner_client_id: str | None = Field(
        default=None, min_length=1, description="the client id that Dext shows to us"
    )
    dext_partner_client_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="the client secret that Dext shows to us, 16 characters or more",
    )
    dext_partner_redirect_uris: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_safe)] = (
        Field(
            default_factory=tuple,
            description="the addresses that a consent may send people back to, separated by commas",
        )
    )
    # The last one, so that it can look at the others.
    dext_partner_url: Annotated[ProviderUrl | None, AfterValidator(_complete)] = Field(
        default=None, description="the address under which Dext reaches our process web, or leave it out"
    )
