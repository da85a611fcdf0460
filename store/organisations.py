"""Organisations and their connections: who they are, whose grant they use, how to find them."""

import re
import unicodedata
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import and_, insert, or_, select, update

from config.shapes import Shape
from store import audit, dispatch
from store.changeover import change_over
from store.database import Transaction
from store.expiry import is_expiring
from store.feeds import HANDED_IN, phase_of
from store.models import connections, feeds, grants, organisations


class UnknownOrganisationError(LookupError):
    """No organisation goes by that slug, id or name."""


class UnknownResourceError(LookupError):
    """The organisation has no feed of that resource."""


class ConnectRefusedError(Exception):
    """This connection would mix up two organisations."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """One customer business."""

    id: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Link:
    """A connection as a worker needs it: whose grant, which tenant, how many calls a day."""

    id: str
    organisation_id: str
    provider: str
    tenant_id: str
    grant_id: str
    day_limit: int | None
    state: str
    state_since: datetime
    expires_at: datetime | None
    calls_us: bool
    """Whether the provider calls us, and is never asked."""

    def state_at(self, now: datetime) -> str:
        """Its state as people see it: a consent that ends soon is *expiring* while it lasts."""
        is_ending = self.state == "connected" and is_expiring(self.expires_at, now)
        return "expiring" if is_ending else self.state


def find(tx: Transaction, reference: str) -> Organisation:
    """The organisation with this slug, id, or name when only one bears it."""
    found = tx.execute(
        select(organisations.c.id, organisations.c.slug, organisations.c.name).where(
            or_(
                organisations.c.slug == reference,
                organisations.c.id == reference,
                organisations.c.name == reference,
            )
        )
    ).all()
    exact = [row for row in found if reference in (row.slug, row.id)] or found
    if len(exact) == 1:
        return Organisation(*exact[0])
    if exact:
        slugs = ", ".join(sorted(row.slug for row in exact))
        raise UnknownOrganisationError(
            f"More than one organisation is named {reference!r}: say which, by its slug ({slugs})."
        )
    raise UnknownOrganisationError(_nobody(tx, reference))


def _nobody(tx: Transaction, reference: str) -> str:
    known = list(tx.execute(select(organisations.c.slug).order_by(organisations.c.slug)).scalars())
    if not known:
        return (
            f"There is no organisation {reference!r}: none is connected yet. "
            "Connect one with `ledgertide connect xero`."
        )
    near = get_close_matches(slug_of(reference), known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`ledgertide organisations` lists them."
    return f"There is no organisation {reference!r}. {hint}"


def feed_of(tx: Transaction, organisation: Organisation, resource: str, *, even_off: bool = False) -> str:
    """The id of the organisation's feed of a resource such as `xero.contacts`.

    Raises UnknownResourceError, with what to do, when there is none, or it is off.
    """
    scope = tx.scope(organisation.id)
    rows = tx.execute(scope.select(feeds)).all()
    for row in rows:
        if row.resource == resource and not row.enabled and not even_off:
            raise UnknownResourceError(
                f"{resource} of {organisation.slug} is off. {_HOW_ON[row.off_because]}"
            )
        if row.resource == resource:
            return str(row.id)
    known = sorted(row.resource for row in rows)
    plural = {name.partition(".")[2]: name for name in known}
    near = get_close_matches(resource, known, n=1) or [
        plural[name] for name in get_close_matches(resource, plural, n=1)
    ]
    hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(known) or 'none'}."
    raise UnknownResourceError(f"{organisation.slug} has no resource {resource!r}. {hint}")


_SWITCH_ON = "`ledgertide switch-on` switches it on."
_HOW_ON = {
    "not offered": "The provider does not offer it: reconnect the organisation once it does.",
    "by default": f"Few organisations have it. {_SWITCH_ON}",
    "by hand": f"Somebody switched it off. {_SWITCH_ON}",
    HANDED_IN: "The provider calls us for it by itself: there is nothing to read.",
}


def resources(tx: Transaction, organisation: Organisation) -> list[str]:
    """The resources the organisation has a feed of, reference data before documents."""
    scope = tx.scope(organisation.id)
    query = scope.select(feeds, feeds.c.resource).where(feeds.c.enabled)
    return list(tx.execute(query.order_by(feeds.c.cadence_seconds.desc(), feeds.c.resource)).scalars())


def everyone(tx: Transaction) -> list[Organisation]:
    """All organisations, by slug."""
    rows = tx.execute(
        select(organisations.c.id, organisations.c.slug, organisations.c.name).order_by(organisations.c.slug)
    )
    return [Organisation(*row) for row in rows]


def link(tx: Transaction, connection_id: str) -> Link:
    """One connection."""
    row = tx.execute(select(connections).where(connections.c.id == connection_id)).one()
    return _link(row)


def hold(tx: Transaction, connection_id: str) -> bool:
    """Keep a connection from being erased until this transaction ends; False: it was erased already."""
    found = select(connections.c.id).where(connections.c.id == connection_id)
    return tx.execute(found if tx.is_sqlite else found.with_for_update(read=True)).first() is not None


def links(tx: Transaction, organisation_id: str) -> list[Link]:
    """The organisation's connections."""
    return [_link(row) for row in tx.execute(tx.scope(organisation_id).select(connections))]


def every_link(tx: Transaction) -> list[Link]:
    """Every connection of every organisation, for the operator and the engine."""
    return [_link(row) for row in tx.execute(select(connections))]


def _link(row: object) -> Link:
    return Link(**{name: getattr(row, name) for name in Link.__dataclass_fields__})


def connect(  # noqa: PLR0913 - by name only, each a fact about the connection
    tx: Transaction,
    *,
    provider: str,
    name: str,
    tenant_id: str,
    grant_id: str,
    cadences: Mapping[str, timedelta],
    actor: str,
    day_limit: int | None = None,
    off: Collection[str] = (),
    connection_id: str | None = None,
    expires_at: datetime | None = None,
    switch: Collection[Shape] | None = None,
    calls_us: bool = False,
) -> Organisation:
    """Connect an organisation, or reconnect it: then its feeds go on from their cursors.

    Feeds of the resources in `off` are made switched off. A new connection gets `connection_id`, or any.
    `expires_at`: when the provider ends the consent by itself. `switch`: the shapes of what is to be read
    anew, should it be another tenant than before. `calls_us`: nothing is read of it, its feeds are off.

    Raises ConnectRefusedError when the tenant belongs to another organisation here, or the
    organisation is connected to another tenant and this is no `switch`.
    """
    if tx.execute(select(grants.c.dead_at).where(grants.c.id == grant_id)).scalar_one() is not None:
        raise ConnectRefusedError("That grant is dead. Ask the organisation's owner to agree again.")
    organisation = _organisation_for(tx, provider, name, tenant_id, switch=switch is not None)
    existing = tx.execute(
        select(connections).where(
            connections.c.organisation_id == organisation.id, connections.c.provider == provider
        )
    ).first()
    if existing:
        connection_id = existing.id
        # In the order in which everybody locks: runs, feeds, and only then the connection.
        if switch is not None and existing.tenant_id != tenant_id:
            change_over(tx, switch, connection_id, tenant_id)
        dispatch.wake_connection(tx, connection_id)
        anew = feeds.c.off_because.in_(("not offered", HANDED_IN))
        back_on = and_(feeds.c.connection_id == connection_id, anew)
        tx.execute(update(feeds).where(back_on).values(enabled=True, off_because=None))
        tx.execute(
            update(connections)
            .where(connections.c.id == connection_id)
            .values(
                grant_id=grant_id,
                state="connected",
                state_since=tx.now,
                calls_us=calls_us,
                expires_at=expires_at,
                expiry_told_days=None,
                day_limit=day_limit if day_limit is not None else existing.day_limit,
            )
        )
    else:
        connection_id = connection_id or str(uuid.uuid4())
        tx.execute(
            insert(connections).values(
                id=connection_id,
                organisation_id=organisation.id,
                provider=provider,
                tenant_id=tenant_id,
                grant_id=grant_id,
                day_limit=day_limit,
                state="connected",
                state_since=tx.now,
                calls_us=calls_us,
                expires_at=expires_at,
            )
        )
    add_missing_feeds(tx, organisation.id, connection_id, cadences, off=off)
    if calls_us:
        of_it = update(feeds).where(feeds.c.connection_id == connection_id)
        tx.execute(of_it.values(enabled=False, off_because=HANDED_IN))
    audit.note(
        tx,
        actor=actor,
        action="reconnected" if existing else "connected",
        organisation_id=organisation.id,
        provider=provider,
        tenant_id=tenant_id,
        **({"before": existing.tenant_id} if existing and existing.tenant_id != tenant_id else {}),
    )
    return organisation


def _organisation_for(
    tx: Transaction, provider: str, name: str, tenant_id: str, *, switch: bool
) -> Organisation:
    found = require_free(tx, provider=provider, name=name, tenant_id=tenant_id, switch=switch)
    return found or _new_organisation(tx, name)


def require_free(
    tx: Transaction, *, provider: str, name: str, tenant_id: str | None, switch: bool = False
) -> Organisation | None:
    """The organisation that this would reconnect, or join beside its other provider; None for a new one.

    Asked before a token is spent: without a `tenant_id` nobody knows yet which tenant it will be.
    Raises ConnectRefusedError as `connect` does.
    """
    who = select(organisations.c.id, organisations.c.slug, organisations.c.name, connections.c.tenant_id)
    beside = and_(connections.c.organisation_id == organisations.c.id, connections.c.provider == provider)
    holder = tx.execute(who.join(connections, beside).where(connections.c.tenant_id == tenant_id)).first()
    if holder:
        if name in (holder.name, holder.slug, holder.id):
            return Organisation(holder.id, holder.slug, holder.name)
        raise ConnectRefusedError(
            f"This {provider} organisation is connected already, as {holder.slug!r}. "
            f"To reconnect it, use --name {holder.slug}."
        )
    bears_it = or_(organisations.c.name == name, organisations.c.slug == name, organisations.c.id == name)
    namesakes = tx.execute(who.outerjoin(connections, beside).where(bears_it)).all()
    taken = [one for one in namesakes if one.tenant_id is not None]
    if taken and tenant_id is not None and not switch:
        raise ConnectRefusedError(
            f"{taken[0].slug!r} is connected to another {provider} organisation ({taken[0].tenant_id}). "
            "Choose another --name for a new one, or say --switch to read this one in its place from now on."
        )
    meant = taken or namesakes
    if len(meant) > 1:
        slugs = ", ".join(sorted(one.slug for one in meant))
        raise ConnectRefusedError(
            f"More than one organisation is named {name!r}: say which, by its slug ({slugs})."
        )
    return Organisation(*meant[0][:3]) if meant else None


def _new_organisation(tx: Transaction, name: str) -> Organisation:
    base = slug_of(name) or "organisation"
    taken = set(
        tx.execute(select(organisations.c.slug).where(organisations.c.slug.startswith(base))).scalars()
    )
    slug = next(
        slug
        for number in range(1, len(taken) + 2)
        if (slug := base if number == 1 else f"{base}-{number}") not in taken
    )
    organisation = Organisation(str(uuid.uuid4()), slug, name)
    tx.execute(insert(organisations).values(id=organisation.id, slug=slug, name=name, created_at=tx.now))
    return organisation


def add_missing_feeds(
    tx: Transaction,
    organisation_id: str,
    connection_id: str,
    cadences: Mapping[str, timedelta],
    *,
    off: Collection[str] = (),
) -> None:
    """One feed per resource; new ones are due at once, those in `off` once they are switched on."""
    known = set(tx.execute(select(feeds.c.resource).where(feeds.c.connection_id == connection_id)).scalars())
    for resource, cadence in cadences.items():
        if resource in known:
            continue
        feed_id = str(uuid.uuid4())
        tx.execute(
            insert(feeds).values(
                id=feed_id,
                organisation_id=organisation_id,
                connection_id=connection_id,
                resource=resource,
                cadence_seconds=int(cadence.total_seconds()),
                phase_seconds=int(phase_of(feed_id, cadence).total_seconds()),
                due_at=tx.now,
                enabled=resource not in off,
                off_because="by default" if resource in off else None,
            )
        )


def lose_access(tx: Transaction, link: Link) -> None:
    """The provider no longer lists this organisation under its grant: stop this connection only.

    Nothing happens when somebody reconnected it since the link was read.
    """
    tx.execute(
        update(connections)
        .where(
            connections.c.id == link.id,
            connections.c.state == "connected",
            connections.c.state_since == link.state_since,
            connections.c.grant_id == link.grant_id,
        )
        .values(state="access removed", state_since=tx.now)
    )


def slug_of(name: str) -> str:
    """Lower-case words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60]
