"""Connect an organisation by importing an existing grant, checked against the provider's own list."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from pydantic import SecretStr

from config.cadence import cadence_of
from connectors.errors import ConnectorError
from connectors.oauth import Tenant, TokenPair
from ledgertide.problems import CommandError
from limiter.limiter import Account
from store import grants, organisations
from store.database import Transaction
from store.grants import SealError, StoredGrant
from store.organisations import Organisation
from sync.providers import LIST_PUSH, PROVIDERS, provider_name
from sync.services import SHAPES, Services


@dataclass(frozen=True, slots=True)
class Wish:
    """Which of the provider's organisations is to be connected, and what it is called here.

    Without a `tenant_id` it is the one that the grant reaches.
    """

    provider: str
    name: str
    tenant_id: str | None = None
    day_limit: int | None = None
    switch: bool = False
    """Whether it may take the place of another one that the organisation was connected to."""


def require_provider(name: str) -> None:
    """Raise CommandError, with the nearest name, unless this is a provider we know."""
    if name not in PROVIDERS:
        near = get_close_matches(name, PROVIDERS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There is: {', '.join(PROVIDERS)}."
        raise CommandError(f"There is no provider {name!r}. {hint}")


def connect_by_token(services: Services, wish: Wish, token: SecretStr, *, by: str) -> Organisation:
    """Take a grant over by its refresh token, see that it reaches the tenant, and keep both together.

    Nothing is stored unless all of it succeeds. A person's second consent replaces their first one, and other
    connections that were waiting for a new consent, or whose grant no key opens, and are reached by this one
    are reconnected as well.
    """
    provider = services.provider(wish.provider)
    connection_id = _connection_for(services, wish)
    pair = provider.identity.admit(token)
    try:
        tenants = provider.tenants(pair.access_token, Account(provider.name, connection_id))
        tenant = _reached(wish, tenants)
        _require_free(services, wish, tenant)
    except (ConnectorError, CommandError, organisations.ConnectRefusedError) as error:
        raise CommandError(
            f"{error} Nothing was stored. The token was exchanged just now: {provider.identity.spent}"
        ) from error
    with services.database.transaction() as tx:
        grant_id = _keep(tx, services, wish.provider, pair)
        _reconnect_waiting(tx, services, wish.provider, tenant.id, grant_id, tenants, by)
        return _connect(tx, services, wish, tenant, grant_id, by, connection_id)


def connect_by_grant_of(services: Services, wish: Wish, other: str, *, by: str) -> Organisation:
    """Connect a further tenant of a consent that an organisation here came with already."""
    provider = services.provider(wish.provider)
    connection_id = _connection_for(services, wish)
    with services.database.reading() as tx:
        holder = organisations.find(tx, other)
        links = [link for link in organisations.links(tx, holder.id) if link.provider == wish.provider]
    if not links:
        raise CommandError(
            f"{holder.slug} is not connected to {wish.provider}: give a refresh token instead."
        )
    grant = services.tokens.valid(links[0].grant_id)
    tenant = _reached(wish, provider.tenants(grant.access_token, Account(provider.name, connection_id)))
    with services.database.transaction() as tx:
        return _connect(tx, services, wish, tenant, grant.id, by, connection_id)


def _connection_for(services: Services, wish: Wish) -> str:
    """The id of the connection that this reconnects, or that a new one will have: calls count for it already.

    Raises ConnectRefusedError before a token is spent on what cannot be.
    """
    with services.database.reading() as tx:
        found = organisations.require_free(
            tx, provider=wish.provider, name=wish.name, tenant_id=wish.tenant_id, switch=wish.switch
        )
        links = organisations.links(tx, found.id) if found else []
    known = [link.id for link in links if link.provider == wish.provider]
    return known[0] if known else str(uuid.uuid4())


def _require_free(services: Services, wish: Wish, tenant: Tenant) -> None:
    with services.database.reading() as tx:
        organisations.require_free(
            tx, provider=wish.provider, name=wish.name, tenant_id=tenant.id, switch=wish.switch
        )


def cadences(given: Mapping[str, timedelta], provider: str = "") -> dict[str, timedelta]:
    """How often each resource is read, of one provider or of all; `given` are the operator's exceptions."""
    for resource in given:
        if resource not in (*SHAPES, LIST_PUSH):
            near = get_close_matches(resource, (*SHAPES, LIST_PUSH), n=1)
            hint = f"Did you mean {near[0]}?" if near else "`ledgertide feeds` lists them."
            raise CommandError(f"LEDGERTIDE_CADENCES names {resource!r}, which is no resource. {hint}")
    reference = {shape.resource: shape.reference for shape in SHAPES.values()} | {LIST_PUSH: True}
    return {
        resource: cadence_of(resource, given, reference=is_reference)
        for resource, is_reference in reference.items()
        if provider in ("", provider_name(resource))
    }


def _keep(tx: Transaction, services: Services, provider: str, pair: TokenPair) -> str:
    """Store the pair in place of the one we have of the same person, or as a new grant; returns its id."""
    user_of = services.provider(provider).identity.user
    user = user_of(pair.access_token)
    for known in _known(tx, services, provider).values():
        if known is not None and user is not None and user_of(known.access_token) == user:
            _replace(tx, services, known, pair)
            return known.id
    return grants.add(
        tx,
        services.vault,
        provider=provider,
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in,
    )


def _known(tx: Transaction, services: Services, provider: str) -> dict[str, StoredGrant | None]:
    """The grants that a provider's connections live on, by id; None for one that no key opens."""
    found: dict[str, StoredGrant | None] = {}
    for link in organisations.every_link(tx):
        if link.provider == provider and link.grant_id not in found:
            try:
                found[link.grant_id] = grants.load(tx, services.vault, link.grant_id)
            except SealError:
                found[link.grant_id] = None
    return found


def _replace(tx: Transaction, services: Services, known: StoredGrant, pair: TokenPair) -> None:
    """Store the pair over the one that was read, or over whatever a worker's refresh put there since.

    Which of the two the provider made last is not known then: ours goes back to it at its first use,
    while it is honoured in any case, and is the last one from there on.
    """
    lasts = pair.expires_in
    while not grants.save(
        tx,
        services.vault,
        known,
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=lasts,
    ):
        known = grants.load(tx, services.vault, known.id)
        lasts = timedelta(0)


def _connect(
    tx: Transaction,
    services: Services,
    wish: Wish,
    tenant: Tenant,
    grant_id: str,
    by: str,
    connection_id: str | None = None,
) -> Organisation:
    life = services.provider(wish.provider).life
    return organisations.connect(
        tx,
        provider=wish.provider,
        name=wish.name,
        tenant_id=tenant.id,
        grant_id=grant_id,
        cadences=cadences(services.settings.cadences, wish.provider),
        actor=by,
        day_limit=wish.day_limit,
        off={shape.resource for shape in SHAPES.values() if shape.off},
        connection_id=connection_id,
        expires_at=tenant.expires_at or (tx.now + life if life else None),
        switch=[shape for shape in SHAPES.values() if provider_name(shape.resource) == wish.provider]
        if wish.switch
        else None,
    )


def _reconnect_waiting(
    tx: Transaction,
    services: Services,
    provider: str,
    connected_now: str,
    grant_id: str,
    tenants: tuple[Tenant, ...],
    by: str,
) -> None:
    """One consent may serve several organisations: what it revives need not be connected one by one."""
    reached = {tenant.id: tenant for tenant in tenants if tenant.id != connected_now}
    slugs = {organisation.id: organisation.slug for organisation in organisations.everyone(tx)}
    opened = _known(tx, services, provider)
    for link in organisations.every_link(tx):
        if link.provider != provider or link.tenant_id not in reached:
            continue
        if link.state != "connected" or opened[link.grant_id] is None:
            again = Wish(provider, slugs[link.organisation_id], link.tenant_id, link.day_limit)
            _connect(tx, services, again, reached[link.tenant_id], grant_id, by)


def _reached(wish: Wish, tenants: tuple[Tenant, ...]) -> Tenant:
    """The one that is wanted; without a wish there must be only one to have."""
    found = {tenant.id: tenant for tenant in tenants if tenant.type == "ORGANISATION"}
    said = "; ".join(f"{tenant.name} ({tenant.id})" for tenant in found.values()) or "no organisation"
    if wish.tenant_id is None and len(found) != 1:
        raise CommandError(f"Say which with --tenant-id. This grant reaches: {said}.")
    if wish.tenant_id is None:
        return next(iter(found.values()))
    if wish.tenant_id not in found:
        raise CommandError(f"This grant does not reach the tenant {wish.tenant_id}. It reaches: {said}.")
    return found[wish.tenant_id]
