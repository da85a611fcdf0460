"""The addresses of webhooks: a random token for each connection, known to the provider and to us."""

import secrets
from collections.abc import Collection

from sqlalchemy import and_, select, update

from store import audit
from store.database import Transaction
from store.models import connections
from store.organisations import Organisation, UnknownResourceError


def token_of(
    tx: Transaction, organisation: Organisation, provider: str, *, actor: str, renew: bool = False
) -> str:
    """The token of an organisation's connection, made when first asked for; `renew`: the old one ends.

    Raises UnknownResourceError when the organisation has no such connection.
    """
    ours = and_(connections.c.organisation_id == organisation.id, connections.c.provider == provider)
    # Two who ask for the first one at the same time get the same one.
    wanted = ours if renew else and_(ours, connections.c.hook_token.is_(None))
    made = tx.execute(update(connections).where(wanted).values(hook_token=secrets.token_urlsafe(32)))
    found = tx.execute(select(connections.c.hook_token).where(ours)).scalar_one_or_none()
    if found is None:
        raise UnknownResourceError(f"{organisation.slug} is not connected to {provider}.")
    if made.rowcount:
        audit.note(
            tx,
            actor=actor,
            action="webhook address renewed" if renew else "webhook address made",
            organisation_id=organisation.id,
            provider=provider,
        )
    return str(found)


def tenants_of(tx: Transaction, provider: str, tokens: Collection[str]) -> dict[str, str]:
    """Token → the tenant whose it is; unknown ones are left out."""
    query = select(connections.c.hook_token, connections.c.tenant_id)
    rows = tx.execute(query.where(connections.c.provider == provider, connections.c.hook_token.in_(tokens)))
    return {row.hook_token: row.tenant_id for row in rows}
