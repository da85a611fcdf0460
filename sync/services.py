"""Every adapter, built once per process and handed down."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from config.limits import Limits
from config.settings import Settings, variable
from config.shapes import Shape
from connectors.dext import DextPort
from connectors.errors import ConfigurationError
from connectors.transport import Transport
from connectors.xero.deciding import XeroDocuments
from limiter.belt import Belt
from limiter.counters import Counters
from limiter.epoch import Epoch
from limiter.limiter import Limiter
from limiter.locks import HELD_FOR, QueueingLock
from limiter.pulse import Pulse
from store.database import Database
from store.dispatch import RESEND_AFTER
from store.grants import REFRESH_LEASE, Vault
from store.runs import LEASE
from sync.grants import Tokens
from sync.providers import SHAPES, Provider, limits_of, open_providers, provider_name
from sync.shelf import Shelf

__all__ = ["SHAPES", "Pace", "Services", "open_services"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a slice, a lease and a lost message last; tests make them short."""

    slice: timedelta = timedelta(seconds=5)
    press_slice: timedelta = timedelta(seconds=2)
    lease: timedelta = LEASE
    resend_after: timedelta = RESEND_AFTER
    message_lock: timedelta = HELD_FOR
    refresh_lease: timedelta = REFRESH_LEASE


@dataclass(frozen=True, slots=True)
class Services:
    """What a slice of work needs; `close` gives everything back."""

    settings: Settings
    database: Database
    limiter: Limiter
    queueing_lock: QueueingLock
    epoch: Epoch
    belt: Belt
    pulse: Pulse
    counters: Counters
    vault: Vault
    providers: Mapping[str, Provider]
    tokens: Tokens
    shelf: Shelf
    pace: Pace

    def provider(self, name: str) -> Provider:
        """A provider by its name, or by a resource of its; ConfigurationError when it is not set up here."""
        name = provider_name(name)
        if found := self.providers.get(name):
            return found
        raise ConfigurationError(
            f"{name} is not set up here: set {variable(f'{name}_base_url')}.", code="not_set_up"
        )

    @property
    def dext(self) -> DextPort:
        """What else Dext is asked for and told; ConfigurationError when it is not set up here."""
        port = self.provider("dext").port
        assert port is not None  # noqa: S101 - whoever sets Dext up gives it
        return port

    @property
    def documents(self) -> XeroDocuments:
        """What decisions ask of Xero."""
        xero = self.provider("xero")
        return XeroDocuments(xero.api, xero.connector)

    def shape(self, resource: str) -> Shape:
        """How a resource's records are read and stored here."""
        provider = self.providers.get(provider_name(resource))
        return provider.connector.endpoints[resource].shape if provider else SHAPES[resource]

    def close(self) -> None:
        """Give connections back, in the opposite order of their making."""
        for provider in self.providers.values():
            provider.api.close()
        self.counters.close()
        self.pulse.close()
        self.belt.close()
        self.epoch.close()
        self.queueing_lock.close()
        self.limiter.close()
        self.database.close()


def open_services(
    settings: Settings,
    *,
    pace: Pace = Pace(),
    limits: Mapping[str, Limits] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Services:
    """Build every adapter; nothing connects before its first use.

    `limits` take the place of the usual ones of the providers named; `sleep` waits between a call's attempts.
    """
    redis_url = settings.redis_url.get_secret_value()
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool)
    in_force = limits_of(settings, limits)
    limiter = Limiter(redis_url, in_force)
    vault = Vault([key.get_secret_value() for key in settings.secret_keys])
    transport = Transport(deadline=settings.request_deadline)
    providers = open_providers(settings, limiter, in_force, transport, sleep)
    identities = {name: provider.identity for name, provider in providers.items()}
    return Services(
        settings=settings,
        database=database,
        limiter=limiter,
        queueing_lock=QueueingLock(redis_url, pace.message_lock),
        epoch=Epoch(redis_url),
        belt=Belt(redis_url),
        pulse=Pulse(redis_url),
        counters=Counters(redis_url),
        vault=vault,
        providers=providers,
        tokens=Tokens(database, vault, identities, refresh_lease=pace.refresh_lease),
        shelf=Shelf(settings.files_folder),
        pace=pace,
    )
