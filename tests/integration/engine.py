"""The whole engine without processes: real database, Redis and sandbox; the test itself is beat and worker.

What a test drives by hand here (`tick`, `work`) is what beat and the workers call: same code, same rows.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select, update

from config import cadence
from config.decisions import KINDS
from config.limits import LIMITS, Limits
from config.settings import Settings
from sandbox.testing import Sandbox
from store import (
    decisions,
    dispatch,
    feeds,
    grants,
    notices,
    organisations,
    presses,
    pushes,
    records,
    runs,
    status,
    switches,
)
from store.decisions import Push
from store.models import feeds as feed_rows
from store.models import runs as run_rows
from store.pushes import PushClaim
from store.runs import Claim, Message
from sync.providers import ENDPOINTS, LIST_PUSH, provider_name
from sync.pushing import push
from sync.run import run_slice
from sync.services import SHAPES, Pace, Services, open_services
from sync.stops import Outcome
from tasks import deciding
from workers.celery import make_app

CADENCES = {
    each.resource: cadence.cadence_of(each.resource, {}, reference=each.reference) for each in ENDPOINTS
}
EVERY = CADENCES | {LIST_PUSH: cadence.cadence_of(LIST_PUSH, {}, reference=True)}
# One list of each habit, for tests in which it matters that there are several, not which.
FEW = ["xero.tax_rates", "xero.accounts", "xero.contacts", "xero.linked_transactions", "xero.contact_groups"]
KEYS = Fernet.generate_key().decode()
# However slow the machine, a slice is used up only where a test means it to be.
PATIENT = Pace(slice=timedelta(minutes=1), press_slice=timedelta(minutes=1))
# So many calls that no test has to wait for a minute to pass.
ROOMY = {
    "xero": replace(LIMITS["xero"], minute=100_000, app_minute=100_000),
    "dext": replace(LIMITS["dext"], minute=100_000),
}


class Engine:
    """One sandbox, one database, one Redis, and the hands of beat and a worker."""

    def __init__(self, services: Services, sandbox: Sandbox) -> None:
        self.services = services
        self.app = make_app(services.settings)  # for what is sent; nothing connects before that
        self.app.services = services
        self.sandbox = sandbox
        self.tenants: dict[str, str] = {}  # slug → tenant id
        self.accounts: dict[str, str] = {}  # slug → id of its Dext account

    def connect(
        self, *, resources: list[str] | None = None, organisations_wanted: int = 2, which: Sequence[int] = ()
    ) -> list[str]:
        """Connect the sandbox's first organisations, or those at these places; returns their slugs.

        They get feeds of these resources, or of all. As everywhere, some of them are made switched off.
        """
        wanted = {name: CADENCES[name] for name in resources or _of("xero")}
        places = set(which or range(organisations_wanted))
        slugs: list[str] = []
        place = -1
        for grant in self.sandbox.grants()["grants"]:
            tenants = []
            for tenant in grant["tenants"]:
                place += 1
                tenants += [tenant] if place in places else []
            if not tenants:
                continue
            pair = self.services.provider("xero").identity.refresh(SecretStr(grant["refresh_token"]))
            with self.services.database.transaction() as tx:
                grant_id = grants.add(
                    tx,
                    self.services.vault,
                    provider="xero",
                    access_token=pair.access_token,
                    refresh_token=pair.refresh_token,
                    expires_in=pair.expires_in,
                )
                for tenant in tenants:
                    connected = organisations.connect(
                        tx,
                        provider="xero",
                        name=tenant["name"],
                        tenant_id=tenant["tenant_id"],
                        grant_id=grant_id,
                        cadences=wanted,
                        actor="test",
                        off={name for name in wanted if SHAPES[name].off},
                        day_limit=tenant["day_limit"],
                    )
                    slugs.append(connected.slug)
                    self.tenants[connected.slug] = tenant["tenant_id"]
        return slugs

    def connect_dext(
        self, *, resources: list[str] | None = None, organisations_wanted: int = 2, names: Sequence[str] = ()
    ) -> list[str]:
        """Connect the sandbox's first Dext accounts beside whoever bears their names; returns the slugs.

        `names` take the place of their own.
        """
        wanted = {name: EVERY[name] for name in resources or _of("dext")}
        told = self.sandbox.dext_grants()["accounts"][:organisations_wanted]
        slugs = []
        for place, account in enumerate(told):
            pair = self.services.provider("dext").identity.admit(SecretStr(account["refresh_token"]))
            with self.services.database.transaction() as tx:
                grant_id = grants.add(
                    tx,
                    self.services.vault,
                    provider="dext",
                    access_token=pair.access_token,
                    refresh_token=pair.refresh_token,
                    expires_in=pair.expires_in,
                )
                connected = organisations.connect(
                    tx,
                    provider="dext",
                    name=names[place] if place < len(names) else account["name"],
                    tenant_id=account["account_id"],
                    grant_id=grant_id,
                    cadences=wanted,
                    actor="test",
                )
            slugs.append(connected.slug)
            self.accounts[connected.slug] = account["account_id"]
        return slugs

    def switch_on(self, slug: str, resource: str) -> None:
        """Somebody wants this feed, which was made switched off."""
        with self.services.database.transaction() as tx:
            switches.switch(tx, organisations.find(tx, slug), resource, on=True, actor="test")

    # --- beat and worker -------------------------------------------------------------------

    def tick(self) -> list[Message | Push]:
        """What beat's tick does in SQL: recover, wake, resend, hand notices over, open what is due."""
        outages = {name: self.services.limiter.outage(name) for name in self.services.providers}
        with self.services.database.transaction() as tx:
            dispatch.recover(tx)
            dispatch.wake_after(tx, outages)
            pushed = pushes.unpublished(tx, 100)
            found = dispatch.unpublished(tx, "now", 100) + notices.hand_over(tx)
            found += dispatch.unpublished(tx, "sync", 100)
            opened = [
                runs.open_due(tx, feed.id, full=feed.full, asked_by=feed.full_asked_by if feed.full else None)
                for feed in feeds.due(tx, 100)
            ]
        return [*pushed, *found, *[message for message in opened if message]]

    def claim(self, message: Message) -> Claim | None:
        """What a worker does first with a message."""
        with self.services.database.transaction() as tx:
            return runs.claim(tx, message.run_id, message.slice, lease=self.services.pace.lease)

    def work(self, messages: Sequence[Message | Push]) -> list[Outcome]:
        """Work through messages and what follows from them, one after the other."""
        outcomes = []
        waiting = list(messages)
        while waiting:
            message = waiting.pop(0)
            outcome = self.push(message) if isinstance(message, Push) else self._slice(message)
            if outcome:
                outcomes.append(outcome)
                waiting += outcome.messages
        return outcomes

    def _slice(self, message: Message) -> Outcome | None:
        claim = self.claim(message)
        return run_slice(self.services, claim) if claim else None

    def push(self, message: Push) -> Outcome | None:
        """What a worker does with a decision's message."""
        claim = self.claim_push(message)
        return push(self.services, claim) if claim else None

    def claim_push(self, message: Push) -> PushClaim | None:
        """What a worker does first with a decision's message."""
        with self.services.database.transaction() as tx:
            return pushes.claim(tx, message.id, message.slice, lease=self.services.pace.lease)

    def decide(self, slug: str, kind: str, document_id: str, decision: str, **more: Any) -> Push:
        """Somebody decides; its message is not yet worked on."""
        wished = deciding.wish(kind, document_id, decision, by="test", **more)
        with self.services.database.transaction() as tx:
            organisation = organisations.find(tx, slug)
            shape = SHAPES[KINDS[kind].resource]
            decision_id, message = decisions.decide(tx, shape, organisation.id, wished)
        return message or Push(decision_id, 0)

    def decision(self, slug: str, decision_id: str) -> decisions.DecisionLine:
        """What is told of a decision."""
        with self.services.database.reading() as tx:
            return decisions.line(tx.scope(organisations.find(tx, slug).id), decision_id)

    def settle(self, *, rounds: int = 30) -> list[Outcome]:
        """Tick and work until nothing is due."""
        outcomes: list[Outcome] = []
        for _ in range(rounds):
            messages = self.tick()
            if not messages:
                return outcomes
            outcomes += self.work(messages)
        raise AssertionError(f"not settled after {rounds} rounds: {outcomes[-5:]}")

    def press(self, slug: str, resource: str, *, full: bool = False) -> presses.Press:
        """*Sync now*; its messages are returned on the press and not yet worked on."""
        with self.services.database.transaction() as tx:
            return presses.press(tx, self.feed_id(slug, resource, tx=tx), by="test", full=full)

    def sync(self, slug: str, resource: str, *, full: bool = False) -> list[Outcome]:
        """Press and work until that is answered as far as it can be."""
        outcomes = self.work(list(self.press(slug, resource, full=full).messages))
        if full:
            outcomes += self.settle()
        return outcomes

    def pages_of(self, resource: str, size: int) -> None:
        """Ask for pages of this size from now on."""
        endpoints: Any = self.services.provider(resource).connector.endpoints
        endpoints[resource] = replace(endpoints[resource], page_size=size)

    def pass_time(self, length: timedelta, *, comparisons: bool = False) -> None:
        """The database's clock moves on.

        The hour of a feed's daily comparison is drawn by chance. Where only hours pass it stays ahead, so
        that a test's outcome never is; unless `comparisons` may fall due.
        """
        self.services.database.clock_offset += length
        if comparisons or not timedelta(hours=1) < length < timedelta(hours=20):
            return
        with self.services.database.transaction() as tx:
            by_chance = feed_rows.c.full_asked_at.is_(None) & (feed_rows.c.full_due_at <= tx.now)
            tx.execute(update(feed_rows).where(by_chance).values(full_due_at=tx.now + timedelta(minutes=30)))

    # --- what there is -----------------------------------------------------------------------

    def feed_id(self, slug: str, resource: str, *, tx: Any = None) -> str:
        """The id of an organisation's feed."""
        if tx is not None:
            return organisations.feed_of(tx, organisations.find(tx, slug), resource)
        with self.services.database.reading() as reading:
            return organisations.feed_of(reading, organisations.find(reading, slug), resource)

    def feed(self, slug: str, resource: str) -> Any:
        """The feed's row."""
        with self.services.database.reading() as tx:
            feed_id = self.feed_id(slug, resource, tx=tx)
            return tx.execute(select(feed_rows).where(feed_rows.c.id == feed_id)).one()

    def runs(self, slug: str, resource: str) -> list[Any]:
        """The feed's runs, oldest first."""
        with self.services.database.reading() as tx:
            query = select(run_rows).where(run_rows.c.feed_id == self.feed_id(slug, resource, tx=tx))
            return list(tx.execute(query.order_by(run_rows.c.opened_at, run_rows.c.fence)))

    def lines(self, slug: str) -> list[status.FeedLine]:
        """What the lines of an organisation's feeds say."""
        with self.services.database.reading() as tx:
            return status.lines(tx.scope(organisations.find(tx, slug).id))

    def line(self, slug: str, resource: str) -> status.FeedLine:
        """What the feed's line says."""
        return next(line for line in self.lines(slug) if line.resource == resource)

    def stored(self, slug: str, resource: str) -> dict[str, str]:
        """The organisation's live records: id → JSON text."""
        with self.services.database.reading() as tx:
            scope = tx.scope(organisations.find(tx, slug).id)
            return dict(records.read(scope, SHAPES[resource]))

    def parsed(self, slug: str, resource: str) -> dict[str, Any]:
        """The same, parsed, numbers digit for digit."""
        return {
            key: json.loads(text, parse_float=Decimal) for key, text in self.stored(slug, resource).items()
        }

    def at_provider(self, slug: str, resource: str) -> dict[str, Any]:
        """The sandbox's records: id → parsed record, numbers digit for digit."""
        key = next(each.id for each in ENDPOINTS if each.resource == resource)
        tenants = {"xero": self.tenants, "dext": self.accounts}[provider_name(resource)]
        return {record[key]: record for record in self.sandbox.dump(tenants[slug], resource)}


def _of(provider: str) -> list[str]:
    return [name for name in CADENCES if provider_name(name) == provider]


def dext_settings(sandbox: Sandbox) -> dict[str, Any]:
    """What an operator sets for the sandbox's Dext."""
    app = sandbox.dext_grants()
    return {
        "dext_base_url": f"{sandbox.url}/dext",
        "dext_token_url": f"{sandbox.url}/dext/oauth/token",
        "dext_client_id": app["client_id"],
        "dext_client_secret": app["client_secret"],
    }


@contextmanager
def engine(
    sandbox: Sandbox,
    database_url: str,
    redis_url: str,
    *,
    pace: Pace | None = None,
    limits: Mapping[str, Limits] | None = None,
    **settings: Any,
) -> Iterator[Engine]:
    """An engine on a migrated database, closed at the end; the sandbox keeps to the same limits."""
    if limits and "xero" in limits:
        sandbox.limits(minute=limits["xero"].minute, app_minute=limits["xero"].app_minute)
    if limits and "dext" in limits:
        sandbox.limits("dext", minute=limits["dext"].minute, in_flight=limits["dext"].in_flight)
    # Tests move the database's clock, not Redis's, by which a call that was cut off would be over in time.
    at_once = replace({**LIMITS, **(limits or {})}["xero"], at_work=timedelta(0))
    app = sandbox.grants()
    services = open_services(
        Settings(
            database_url=database_url,
            redis_url=redis_url,
            secret_keys=KEYS,
            xero_api_url=sandbox.url,
            xero_identity_url=sandbox.url,
            xero_client_id=app["client_id"],
            xero_client_secret=app["client_secret"],
            **(dext_settings(sandbox) | settings),
        ),
        pace=pace or PATIENT,
        limits={**(limits or {}), "xero": at_once},
        sleep=lambda _seconds: None,  # a call is repeated at once
    )
    whole = Engine(services, sandbox)
    try:
        yield whole
    finally:
        whole.app.close()
        services.close()
