"""The codes and tokens that we gave a provider which calls us: kept as hashes, each of one consent.

A token is its grant's, and a grant is one connection's: whoever shows it is that connection's organisation,
and nobody else, for as long as the grant lives and the connection lives on it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import and_, delete, insert, or_, select, update

from store.database import Transaction
from store.models import connections, grants, partner_tokens

Kind = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Code:
    """A consent that Dext may exchange for tokens, once."""

    digest: str
    organisation_id: str
    grant_id: str | None
    """What it was exchanged for, if it was."""
    redirect_uri: str
    challenge: str
    consented_by: str
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    """A token that counts: the connection that it is of."""

    digest: str
    organisation_id: str
    connection_id: str
    grant_id: str
    expires_at: datetime
    used_at: datetime | None


def keep_code(
    tx: Transaction,
    code: str,
    *,
    organisation_id: str,
    redirect_uri: str,
    challenge: str,
    consented_by: str,
    expires_at: datetime,
) -> None:
    """Somebody consented: this code stands for it."""
    tx.execute(
        insert(partner_tokens).values(
            digest=_digest(code),
            kind="code",
            organisation_id=organisation_id,
            redirect_uri=redirect_uri,
            challenge=challenge,
            consented_by=consented_by[:255],
            expires_at=expires_at,
        )
    )


def use_code(tx: Transaction, code: str) -> Code | None:
    """The code as it was before; from now on it is used, whatever comes of it. None: nobody's, or too old."""
    found = and_(partner_tokens.c.digest == _digest(code), partner_tokens.c.kind == "code")
    row = tx.execute(
        select(partner_tokens).where(found, partner_tokens.c.expires_at > tx.now).with_for_update()
    ).first()
    if row is None:
        return None
    tx.execute(update(partner_tokens).where(found).values(used_at=tx.now))
    return Code(**{name: getattr(row, name) for name in Code.__dataclass_fields__})


def exchanged(tx: Transaction, code: Code, grant_id: str) -> None:
    """The code was exchanged for this grant."""
    tx.execute(update(partner_tokens).where(partner_tokens.c.digest == code.digest).values(grant_id=grant_id))


def keep(
    tx: Transaction, token: str, kind: Kind, *, organisation_id: str, grant_id: str, expires_at: datetime
) -> None:
    """This token was given out for the grant."""
    tx.execute(
        insert(partner_tokens).values(
            digest=_digest(token),
            kind=kind,
            organisation_id=organisation_id,
            grant_id=grant_id,
            expires_at=expires_at,
        )
    )


def find(tx: Transaction, token: str, *kinds: Kind) -> Token | None:
    """The token, and whose it is; None unless it counts now."""
    row = tx.execute(
        select(
            partner_tokens.c.digest,
            connections.c.organisation_id,
            connections.c.id.label("connection_id"),
            partner_tokens.c.grant_id,
            partner_tokens.c.expires_at,
            partner_tokens.c.used_at,
        )
        .join(grants, and_(grants.c.id == partner_tokens.c.grant_id, grants.c.dead_at.is_(None)))
        .join(connections, connections.c.grant_id == partner_tokens.c.grant_id)
        .where(
            partner_tokens.c.digest == _digest(token),
            partner_tokens.c.kind.in_(kinds),
            partner_tokens.c.expires_at > tx.now,
            connections.c.state == "connected",
        )
    ).first()
    return Token(*row) if row else None


def used(tx: Transaction, token: Token) -> None:
    """It was used, and is not to be used again; when it was first stays on record."""
    mine = and_(partner_tokens.c.digest == token.digest, partner_tokens.c.used_at.is_(None))
    tx.execute(update(partner_tokens).where(mine).values(used_at=tx.now))


def forget(tx: Transaction, organisation_id: str, *, but_of: str | None = None) -> None:
    """The organisation's tokens are worth nothing any more, except those of the grant `but_of`."""
    mine = partner_tokens.c.organisation_id == organisation_id
    others = or_(partner_tokens.c.grant_id.is_(None), partner_tokens.c.grant_id != but_of)
    tx.execute(delete(partner_tokens).where(mine, others) if but_of else delete(partner_tokens).where(mine))


def prune(tx: Transaction) -> None:
    """Drop what has come to its end."""
    tx.execute(delete(partner_tokens).where(partner_tokens.c.expires_at <= tx.now))


def _digest(token: str) -> str:
    # Tokens are random and long: nothing has to slow down whoever guesses.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
