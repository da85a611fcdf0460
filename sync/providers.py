"""The providers, each as the engine needs it: one structure, so that nothing else asks which one it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from config.limits import LIMITS, CallClass, Limits
from config.settings import Settings
from config.shapes import Shape
from connectors import dext, xero
from connectors.connector import Connector
from connectors.endpoints import Endpoint
from connectors.http import Access, ApiClient
from connectors.oauth import Tenant, XeroIdentity
from connectors.tokens import Identity
from connectors.transport import Transport
from connectors.verdicts import DEXT
from limiter.limiter import Account, Limiter

ENDPOINTS: tuple[Endpoint, ...] = (*xero.ENDPOINTS, *dext.ENDPOINTS)
"""Every list of every provider."""
SHAPES: dict[str, Shape] = {endpoint.resource: endpoint.shape for endpoint in ENDPOINTS}
"""The tables of all of them, whichever are set up here."""
PROVIDERS = tuple(LIMITS)
LIST_PUSH = "dext.list_push"
"""A feed that reads no list: Xero's lists go into Dext by it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where something of a provider's is, and the setting that says so."""

    what: str
    url: str
    setting: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: how its lists are read, whose consent it honours, and how many calls it takes."""

    name: str
    limits: Limits
    api: ApiClient
    connector: Connector
    identity: Identity
    tenants: Callable[[SecretStr, Account], tuple[Tenant, ...]]
    """The organisations that an access token reaches, as the provider itself says; raises ConnectorError.

    The call counts for the account given, where the provider counts such calls at all.
    """
    life: timedelta | None
    """How long a consent lasts, where it ends by itself and the provider does not say when."""
    smallest: str
    """A resource that one cheap call reads, to see that all is well."""
    addresses: tuple[Address, ...]
    port: dext.DextPort | None = None
    """What else Dext is asked for and told."""


def provider_name(resource: str) -> str:
    """Whose resource it is: `xero.contacts` is `xero`'s."""
    return resource.partition(".")[0]


def limits_of(settings: Settings, given: Mapping[str, Limits] | None = None) -> dict[str, Limits]:
    """Each provider's limits: the known ones, with what the settings say of Dext's, and what is given."""
    return {**LIMITS, "dext": settings.dext_limits(), **(given or {})}


def open_providers(
    settings: Settings,
    limiter: Limiter,
    limits: Mapping[str, Limits],
    transport: Transport,
    sleep: Callable[[float], None],
) -> dict[str, Provider]:
    """Those that are set up here, by name."""
    found = {"xero": _xero(settings, limiter, limits["xero"], transport, sleep)}
    if settings.is_dext_offered:
        found["dext"] = _dext(settings, limiter, limits["dext"], transport, sleep)
    return found


def _xero(
    settings: Settings, limiter: Limiter, limits: Limits, transport: Transport, sleep: Callable[[float], None]
) -> Provider:
    api = ApiClient(settings.xero_api_url, limiter, transport, sleep=sleep)
    identity = XeroIdentity(
        settings.xero_identity_url,
        settings.xero_api_url,
        settings.xero_client_id,
        settings.xero_client_secret,
        transport,
    )
    return Provider(
        name="xero",
        limits=limits,
        api=api,
        connector=xero.XeroConnector(api),
        identity=identity,
        tenants=lambda token, _account: identity.connections(token),
        life=None,
        smallest="xero.organisations",
        addresses=(
            Address("identity service", settings.xero_identity_url, "xero_identity_url"),
            Address("API", settings.xero_api_url, "xero_api_url"),
        ),
    )


def _dext(
    settings: Settings, limiter: Limiter, limits: Limits, transport: Transport, sleep: Callable[[float], None]
) -> Provider:
    api = ApiClient(settings.dext_base_url or "", limiter, transport, dialect=DEXT, sleep=sleep)
    port = dext.DextPort(api, settings)
    token_url = settings.dext_token_url

    def tenants(token: SecretStr, account: Account) -> tuple[Tenant, ...]:
        found = port.account(dext.Call(Access(account, token, ""), CallClass.PRESS))
        return (Tenant(found.id, found.name, "ORGANISATION", found.id, found.expires_at),)

    return Provider(
        name="dext",
        limits=limits,
        api=api,
        connector=dext.DextConnector(api, settings),
        identity=dext.DextIdentity(settings, transport),
        tenants=tenants,
        life=settings.dext_connection_life,
        smallest="dext.tax_rates",
        addresses=(
            *([Address("identity service", token_url, "dext_token_url")] if token_url else ()),
            Address("API", settings.dext_base_url or "", "dext_base_url"),
        ),
        port=port,
    )
