"""Every adapter, built once per process and handed down."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from config.limits import LIMITS, Limits
from config.settings import Settings
from config.shapes import Shape
from connectors.http import ApiClient
from connectors.oauth import XeroIdentity
from connectors.transport import Transport
from connectors.xero import ENDPOINTS, XeroConnector
from limiter.belt import Belt
from limiter.epoch import Epoch
from limiter.limiter import Limiter
from limiter.locks import HELD_FOR, QueueingLock
from limiter.pulse import Pulse
from store.database import Database
from store.dispatch import RESEND_AFTER
from store.grants import REFRESH_LEASE, Vault
from store.runs import LEASE
from sync.grants import Tokens

SHAPES: dict[str, Shape] = {endpoint.resource: endpoint.shape for endpoint in ENDPOINTS}


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
    vault: Vault
    api: ApiClient
    identity: XeroIdentity
    tokens: Tokens
    xero: XeroConnector
    pace: Pace

    def shape(self, resource: str) -> Shape:
        """How a resource's records are stored."""
        return SHAPES[resource]

    def close(self) -> None:
        """Give connections back, in the opposite order of their making."""
        self.api.close()
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
    limits: Mapping[str, Limits] = LIMITS,
    sleep: Callable[[float], None] = time.sleep,
) -> Services:
    """Build every adapter; nothing connects before its first use. `sleep` waits between a call's attempts."""
    redis_url = settings.redis_url.get_secret_value()
    database = Database(settings.database_url.get_secret_value(), pool_size=settings.database_pool)
    limiter = Limiter(redis_url, limits)
    vault = Vault([key.get_secret_value() for key in settings.secret_keys])
    transport = Transport(deadline=settings.request_deadline)
    api = ApiClient(settings.xero_api_url, limiter, transport, sleep=sleep)
    identity = XeroIdentity(
        settings.xero_identity_url,
        settings.xero_api_url,
        settings.xero_client_id,
        settings.xero_client_secret,
        transport,
    )
    return Services(
        settings=settings,
        database=database,
        limiter=limiter,
        queueing_lock=QueueingLock(redis_url, pace.message_lock),
        epoch=Epoch(redis_url),
        belt=Belt(redis_url),
        pulse=Pulse(redis_url),
        vault=vault,
        api=api,
        identity=identity,
        tokens=Tokens(database, vault, identity, refresh_lease=pace.refresh_lease),
        xero=XeroConnector(api),
        pace=pace,
    )
