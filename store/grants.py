"""Grants: OAuth token pairs, sealed at rest, replaced only by whoever read the pair they replace."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from sqlalchemy import delete, insert, or_, select, update

from store.database import Transaction
from store.models import connections, grants

log = structlog.get_logger()

# Longer than one token call's total deadline: nobody else refreshes while an answer may still come.
REFRESH_LEASE = timedelta(seconds=60)
# A refresh token dies after 60 unused days; half of that leaves time for a person to notice trouble.
IDLE_REFRESH = timedelta(days=30)


class SealError(Exception):
    """A sealed grant cannot be opened with the keys we have."""


class Vault:
    """Seals token pairs: the first key encrypts, every key opens (key rotation)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._first = Fernet(keys[0])
        self._all = MultiFernet([Fernet(key) for key in keys])

    def seal(self, access_token: SecretStr, refresh_token: SecretStr) -> str:
        """The pair as one encrypted text."""
        pair = [access_token.get_secret_value(), refresh_token.get_secret_value()]
        return self._first.encrypt(json.dumps(pair).encode()).decode()

    def open(self, sealed: str) -> tuple[SecretStr, SecretStr]:
        """Access token and refresh token."""
        try:
            access_token, refresh_token = json.loads(self._all.decrypt(sealed.encode()))
        except InvalidToken as error:
            raise SealError(
                "A stored grant cannot be opened with LEDGERTIDE_SECRET_KEYS. "
                "Put the key it was sealed with back into the list (the first key seals, all of them open)."
            ) from error
        return SecretStr(access_token), SecretStr(refresh_token)

    def is_sealed_with_first_key(self, sealed: str) -> bool:
        """Whether a rotation has nothing left to do for this grant."""
        try:
            self._first.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """A grant as read: whoever replaces its pair names the version they read."""

    id: str
    provider: str
    version: int
    access_expires_at: datetime
    is_dead: bool
    read_at: datetime
    access_token: SecretStr
    refresh_token: SecretStr

    def lasts(self, at_least: timedelta) -> bool:
        """Whether the access token is good for that long from when it was read."""
        return self.access_expires_at - self.read_at > at_least


def add(
    tx: Transaction,
    vault: Vault,
    *,
    provider: str,
    access_token: SecretStr,
    refresh_token: SecretStr,
    expires_in: timedelta,
) -> str:
    """Keep a new consent; returns the grant's id."""
    grant_id = str(uuid.uuid4())
    tx.execute(
        insert(grants).values(
            id=grant_id,
            provider=provider,
            sealed_pair=vault.seal(access_token, refresh_token),
            access_expires_at=tx.now + expires_in,
            refreshed_at=tx.now,
        )
    )
    return grant_id


def load(tx: Transaction, vault: Vault, grant_id: str) -> StoredGrant:
    """The grant as it stands now."""
    row = tx.execute(select(grants).where(grants.c.id == grant_id)).one()
    access_token, refresh_token = vault.open(row.sealed_pair)
    return StoredGrant(
        id=row.id,
        provider=row.provider,
        version=row.version,
        access_expires_at=row.access_expires_at,
        is_dead=row.dead_at is not None,
        read_at=tx.now,
        access_token=access_token,
        refresh_token=refresh_token,
    )


def begin_refresh(tx: Transaction, grant: StoredGrant, *, lease: timedelta = REFRESH_LEASE) -> bool:
    """Take the refresh lease and write down that a refresh is on its way, before it is sent.

    A worker that dies after sending leaves the intent behind; its successor sends the same
    refresh token again, which the provider honours for 30 minutes.
    """
    free = or_(grants.c.refresh_lease_until.is_(None), grants.c.refresh_lease_until < tx.now)
    return bool(
        tx.execute(
            update(grants)
            .where(grants.c.id == grant.id, grants.c.version == grant.version, free)
            .values(refresh_lease_until=tx.now + lease, refresh_intent_at=tx.now)
        ).rowcount
    )


def save(
    tx: Transaction,
    vault: Vault,
    grant: StoredGrant,
    *,
    access_token: SecretStr,
    refresh_token: SecretStr,
    expires_in: timedelta,
) -> bool:
    """Replace the pair that was read; False when somebody replaced it before us (theirs is newer).

    A pair that was believed dead meanwhile lives after all, and so do its connections.
    """
    saved = bool(
        tx.execute(
            update(grants)
            .where(grants.c.id == grant.id, grants.c.version == grant.version)
            .values(
                sealed_pair=vault.seal(access_token, refresh_token),
                access_expires_at=tx.now + expires_in,
                version=grants.c.version + 1,
                refreshed_at=tx.now,
                refresh_lease_until=None,
                refresh_intent_at=None,
                dead_at=None,
            )
        ).rowcount
    )
    if saved:
        tx.execute(
            update(connections)
            .where(connections.c.grant_id == grant.id, connections.c.state == "expired")
            .values(state="connected", state_since=tx.now)
        )
    return saved


def give_back(tx: Transaction, grant: StoredGrant) -> None:
    """The refresh got no answer worth keeping: let the next one try, the intent stays on record."""
    tx.execute(
        update(grants)
        .where(grants.c.id == grant.id, grants.c.version == grant.version)
        .values(refresh_lease_until=None)
    )


def kill(tx: Transaction, grant: StoredGrant) -> bool:
    """Believe that the grant is dead, if the pair is still the one that was sent.

    Stops every connection that lives on it; True when it did.
    """
    return end(tx, grant.id, version=grant.version)


def end(tx: Transaction, grant_id: str, *, version: int | None = None) -> bool:
    """The grant is dead, and every connection on it stops; with `version`, only if it is still that one."""
    as_read = grants.c.version == (grants.c.version if version is None else version)
    killed = tx.execute(
        update(grants)
        .where(grants.c.id == grant_id, as_read)
        .values(dead_at=tx.now, refresh_lease_until=None)
    ).rowcount
    if killed:
        tx.execute(
            update(connections)
            .where(connections.c.grant_id == grant_id, connections.c.state == "connected")
            .values(state="expired", state_since=tx.now)
        )
    return bool(killed)


def idle(tx: Transaction) -> list[str]:
    """Grants that nobody used for so long that they should be refreshed to stay alive.

    An access token that lasts longer than that is of the kind that is never refreshed.
    """
    found = tx.execute(
        select(grants.c.id).where(
            grants.c.dead_at.is_(None),
            grants.c.refreshed_at < tx.now - IDLE_REFRESH,
            grants.c.access_expires_at < tx.now + IDLE_REFRESH,
        )
    )
    return [row.id for row in found]


def drop_unused(tx: Transaction) -> int:
    """Forget pairs that no connection uses any more: a secret that is of no use is only a risk."""
    used = select(connections.c.id).where(connections.c.grant_id == grants.c.id).exists()
    settled = grants.c.refreshed_at < tx.now - timedelta(days=1)  # not in the middle of being connected
    return int(tx.execute(delete(grants).where(~used, settled)).rowcount)


def reseal(tx: Transaction, vault: Vault) -> int:
    """Seal every grant with the first key, so that the older keys can be dropped; returns how many.

    One that no key opens stays as it is and is logged: it must not keep the others from being sealed.
    """
    resealed = 0
    for row in tx.execute(select(grants.c.id, grants.c.version, grants.c.sealed_pair)).all():
        if vault.is_sealed_with_first_key(row.sealed_pair):
            continue
        try:
            pair = vault.open(row.sealed_pair)
        except SealError as error:
            log.warning("grant_not_resealed", grant=row.id, why=str(error))
            continue
        resealed += tx.execute(
            update(grants)
            .where(grants.c.id == row.id, grants.c.version == row.version)
            .values(sealed_pair=vault.seal(*pair))
        ).rowcount
    return resealed
