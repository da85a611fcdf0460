"""Connect an organisation by importing an existing grant, checked against the provider's own list."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from pydantic import SecretStr

from config.cadence import cadence_of
from connectors.errors import ConnectorError
from connectors.oauth import Tenant, TokenPair, user_of
from ledgertide.problems import CommandError
from store import grants, organisations
from store.database import Transaction
from store.grants import SealError, StoredGrant
from store.organisations import Organisation
from sync.services import SHAPES, Services

PROVIDERS = ("xero",)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which of the provider's organisations is to be connected, and what it is called here."""

    provider: str
    name: str
    tenant_id: str
    day_limit: int | None = None


def require_provider(name: str) -> None:
    """Raise CommandError, with the nearest name, unless this is a provider we know."""
    if name not in PROVIDERS:
        near = get_close_matches(name, PROVIDERS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There is: {', '.join(PROVIDERS)}."
        raise CommandError(f"There is no provider {name!r}. {hint}")


def connect_by_token(services: Services, wish: Wish, refresh_token: SecretStr, *, by: str) -> Organisation:
    """Refresh the grant once, see that it reaches the tenant, and keep both together.

    Nothing is stored unless all of it succeeds; the refresh token given can be used again for
    30 minutes then. A person's second consent replaces their first one, and other connections that
    were waiting for a new consent, or whose grant no key opens, and are reached by this one are reconnected
    as well.
    """
    with services.database.reading() as tx:
        organisations.require_free(tx, provider=wish.provider, name=wish.name, tenant_id=wish.tenant_id)
    pair = services.identity.refresh(refresh_token)
    try:
        tenants = services.identity.connections(pair.access_token)
        _require_reached(wish.tenant_id, tenants)
    except (ConnectorError, CommandError) as error:
        raise CommandError(
            f"{error} Nothing was stored. The refresh token was exchanged just now: "
            "within 30 minutes the same one can be given again."
        ) from error
    with services.database.transaction() as tx:
        grant_id = _keep(tx, services, wish.provider, pair)
        _reconnect_waiting(tx, services, wish, grant_id, tenants, by)
        return _connect(tx, services, wish, grant_id, by)


def connect_by_grant_of(services: Services, wish: Wish, other: str, *, by: str) -> Organisation:
    """Connect a further tenant of a consent that an organisation here came with already."""
    with services.database.reading() as tx:
        organisations.require_free(tx, provider=wish.provider, name=wish.name, tenant_id=wish.tenant_id)
        holder = organisations.find(tx, other)
        links = [link for link in organisations.links(tx, holder.id) if link.provider == wish.provider]
    if not links:
        raise CommandError(
            f"{holder.slug} is not connected to {wish.provider}: give a refresh token instead."
        )
    grant = services.tokens.valid(links[0].grant_id)
    _require_reached(wish.tenant_id, services.identity.connections(grant.access_token))
    with services.database.transaction() as tx:
        return _connect(tx, services, wish, grant.id, by)


def cadences(given: Mapping[str, timedelta], provider: str = "") -> dict[str, timedelta]:
    """How often each resource is read, of one provider or of all; `given` are the operator's exceptions."""
    for resource in given:
        if resource not in SHAPES:
            near = get_close_matches(resource, SHAPES, n=1)
            hint = f"Did you mean {near[0]}?" if near else "`ledgertide feeds` lists them."
            raise CommandError(f"LEDGERTIDE_CADENCES names {resource!r}, which is no resource. {hint}")
    return {
        shape.resource: cadence_of(shape.resource, given, reference=shape.reference)
        for shape in SHAPES.values()
        if shape.resource.startswith(provider)
    }


def _keep(tx: Transaction, services: Services, provider: str, pair: TokenPair) -> str:
    """Store the pair in place of the one we have of the same person, or as a new grant; returns its id."""
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


def _connect(tx: Transaction, services: Services, wish: Wish, grant_id: str, by: str) -> Organisation:
    return organisations.connect(
        tx,
        provider=wish.provider,
        name=wish.name,
        tenant_id=wish.tenant_id,
        grant_id=grant_id,
        cadences=cadences(services.settings.cadences, wish.provider),
        actor=by,
        day_limit=wish.day_limit,
        off={shape.resource for shape in SHAPES.values() if shape.off},
    )


def _reconnect_waiting(
    tx: Transaction, services: Services, wish: Wish, grant_id: str, tenants: tuple[Tenant, ...], by: str
) -> None:
    """One consent may serve several organisations: what it revives need not be connected one by one."""
    reached = {tenant.id for tenant in tenants} - {wish.tenant_id}
    slugs = {organisation.id: organisation.slug for organisation in organisations.everyone(tx)}
    opened = _known(tx, services, wish.provider)
    for link in organisations.every_link(tx):
        if link.provider != wish.provider or link.tenant_id not in reached:
            continue
        if link.state != "connected" or opened[link.grant_id] is None:
            again = Wish(link.provider, slugs[link.organisation_id], link.tenant_id, link.day_limit)
            _connect(tx, services, again, grant_id, by)


def _require_reached(tenant_id: str, tenants: tuple[Tenant, ...]) -> None:
    organisations_only = [tenant for tenant in tenants if tenant.type == "ORGANISATION"]
    if tenant_id not in {tenant.id for tenant in organisations_only}:
        reached = "; ".join(f"{tenant.name} ({tenant.id})" for tenant in organisations_only)
        raise CommandError(
            f"This grant does not reach the tenant {tenant_id}. It reaches: {reached or 'no organisation'}."
        )
