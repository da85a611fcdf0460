"""The whole engine in one process: beat and workers are called in turn, everything else is real."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import func, select

from bench.week.clocks import Clocks, MovedLimiter
from bench.week.plan import Plan
from config.limits import LIMITS
from config.settings import load_settings, variable
from connectors.transport import Transport
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.sandbox_doors import SandboxDoors
from sandbox.testing import Sandbox
from schedules.tick import Ticker
from store import migrations, organisations
from store.models import connections, feeds, runs
from sync.providers import limits_of, open_providers
from sync.services import SHAPES, Services, open_services
from tasks.upkeep import DUTIES
from workers.celery import make_app

# In the order in which a worker empties them.
QUEUES = ("push", "now", "sync", "upkeep")
# As often as beat ticks at most before a step is over: once a second.
TICK = timedelta(seconds=1)
# A feed without a run, a run that waits for its time, one that waits for a message.
_HAS_RUN = select(runs.c.id).where(runs.c.feed_id == feeds.c.id, runs.c.ended_at.is_(None)).exists()
DUE = (
    select(func.min(feeds.c.due_at), func.min(feeds.c.full_due_at))
    .join(connections, connections.c.id == feeds.c.connection_id)
    .where(feeds.c.enabled, connections.c.state == "connected", ~_HAS_RUN),
    select(func.min(runs.c.not_before)).where(runs.c.ended_at.is_(None)),
    select(func.min(runs.c.opened_at)).where(runs.c.ended_at.is_(None), runs.c.state == "queued"),
)


@dataclass(frozen=True)
class Member:
    """One connected organisation."""

    slug: str
    organisation_id: str
    tenant_id: str
    day_limit: int


class Tiers(SandboxDoors):
    """The sandbox's doors as `connect` looks through them, with the plan's day limits."""

    def __init__(self, url: str, day_limits: dict[str, int]) -> None:
        super().__init__(url)
        self._day_limits = day_limits

    def grants(self) -> dict[str, Any]:
        """As the sandbox tells them, but for the day limits."""
        told = super().grants()
        for grant in told["grants"]:
            for tenant in grant["tenants"]:
                tenant["day_limit"] = self._day_limits[tenant["tenant_id"]]
        return told


class Engine:
    """Services, beat, and queues that are emptied here."""

    def __init__(self, services: Services, clocks: Clocks, sandbox: Sandbox) -> None:
        self.services = services
        self.clocks = clocks
        self.sandbox = sandbox
        self.members: list[Member] = []
        self.worked = 0  # tasks: slices and duties
        self.app = make_app(services.settings)
        self.app.services = services
        self.app.send_task = self._send
        self._queues: dict[str, deque[tuple[str, tuple[Any, ...]]]] = {name: deque() for name in QUEUES}
        self._ticker = Ticker(self.app, DUTIES)
        self._ticker.make_duties_known()

    def connect(self, plan: Plan) -> None:
        """Connect every organisation of the sandbox, which from then on keeps to the same day limits."""
        tenants = [tenant["tenant_id"] for tenant in self.sandbox.tenants()]
        day_limits = {tenant: plan.day_limit(number) for number, tenant in enumerate(tenants)}
        connect_sandbox(self.services, Tiers(self.sandbox.url, day_limits))
        with self.services.database.reading() as tx:
            slugs = {one.id: one.slug for one in organisations.everyone(tx)}
            links = {link.tenant_id: link for link in organisations.every_link(tx)}
        for tenant in tenants:
            link = links[tenant]
            limit = link.day_limit or LIMITS["xero"].day
            self.members.append(Member(slugs[link.organisation_id], link.organisation_id, tenant, limit))
            self.sandbox.limits(tenant, day=limit)
        self.sandbox.limits(style=plan.windows)

    def work(self, at_most: timedelta) -> datetime | None:
        """Beat ticks, and workers do what it sends, until nothing is due; returns when something will be."""
        self.empty_queues()
        for _ in range(at_most // TICK):
            self._ticker.tick()
            self.empty_queues()
            due = self._next_due()
            if due is None or due > self.clocks.now:
                break
        return due

    def _next_due(self) -> datetime | None:
        """The next moment at which beat has something to do by itself."""
        with self.services.database.reading() as tx:
            moments = [moment for query in DUE for moment in tx.execute(query).one() if moment]
        return min(moments, default=None)

    def empty_queues(self) -> None:
        """Do what lies on the queues, presses first, and what follows from it."""
        while queue := next((queue for queue in self._queues.values() if queue), None):
            name, arguments = queue.popleft()
            self.app.tasks[name](*arguments)
            self.worked += 1

    def _send(self, name: str, args: Any = None, *_: Any, queue: str = "upkeep", **__: Any) -> None:
        self._queues[queue].append((name, tuple(args or ())))


@contextmanager
def engine(plan: Plan, sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[Engine]:
    """An engine with all organisations connected, on clocks that can be moved."""
    migrations.upgrade(database_url, SHAPES.values())
    app = sandbox.grants()
    clocks = Clocks()
    settings = load_settings(
        {
            variable("database_url"): database_url,
            variable("redis_url"): redis_url,
            variable("secret_keys"): Fernet.generate_key().decode(),
            variable("xero_api_url"): sandbox.url,
            variable("xero_identity_url"): sandbox.url,
            variable("xero_client_id"): app["client_id"],
            variable("xero_client_secret"): app["client_secret"],
        }
    )
    usual = open_services(settings)
    limits = limits_of(settings)
    limiter = MovedLimiter(redis_url, limits, clocks)
    transport = Transport(deadline=settings.request_deadline)
    providers = open_providers(settings, limiter, limits, transport, clocks.sleep)
    services = replace(usual, limiter=limiter, providers=providers)
    let_go = clocks.take_along(sandbox, redis_url, services.database)
    whole = Engine(services, clocks, sandbox)
    try:
        whole.connect(plan)
        yield whole
    finally:
        whole.app.close()
        let_go()
        usual.limiter.close()
        for provider in usual.providers.values():
            provider.api.close()
        services.close()
