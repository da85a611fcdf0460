"""A valid access token: load it, refresh it under its lease, and never lose a rotated pair."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from config.points import reached
from connectors.errors import ConfigurationError, ConnectorError, GrantLostError, TransientError
from connectors.tokens import Identity, TokenPair
from store import grants
from store.database import Database
from store.grants import SealError, StoredGrant, Vault

# Refreshed this long before its end, so that a long page never meets an expired token.
REFRESH_EARLY = timedelta(minutes=5)
# How long to look whether another worker's refresh has come through, before the run is snoozed.
WAIT_FOR_OTHER = timedelta(seconds=2)
LOOK_AGAIN = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """A pair that the provider gave in place of one, and that is not in the database yet."""

    read: StoredGrant
    pair: TokenPair
    got_at: float  # monotonic

    @property
    def lasts(self) -> timedelta:
        """How long its access token is good for from now."""
        return self.pair.expires_in - timedelta(seconds=time.monotonic() - self.got_at)


class Tokens:
    """Access tokens by grant: one refresh at a time over all workers, and no rotated pair is ever lost."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        identities: Mapping[str, Identity],
        *,
        refresh_lease: timedelta = grants.REFRESH_LEASE,
    ) -> None:
        self._refresh_lease = refresh_lease
        self._database = database
        self._vault = vault
        self._identities = identities
        # By the grant and the version that was read. Whatever the database did meanwhile, the pair is here.
        self._unsaved: dict[tuple[str, int], _Unsaved] = {}
        self._lock = threading.Lock()

    def valid(self, grant_id: str) -> StoredGrant:
        """A grant whose access token lasts; refreshes it when it is close to its end.

        Raises GrantLostError when the pair is dead, TransientError when no refresh came through in time.
        """
        grant = self.load(grant_id)
        return grant if grant.lasts(REFRESH_EARLY) else self.renewed(grant)

    def renewed(self, grant: StoredGrant) -> StoredGrant:
        """A newer pair than the one given, refreshed by us or by whoever was faster."""
        if self._save_what_is_unsaved():
            current = self.load(grant.id)
            if current.version != grant.version and current.lasts(REFRESH_EARLY):
                return current
            grant = current
        give_up_at = time.monotonic() + WAIT_FOR_OTHER.total_seconds()
        while True:
            with self._database.transaction() as tx:
                ours = grants.begin_refresh(tx, grant, lease=self._refresh_lease)
            if ours:
                return self._refresh(grant)
            current = self.load(grant.id)
            if current.version != grant.version:
                return current
            if time.monotonic() >= give_up_at:
                if current.lasts(timedelta(seconds=30)) and current.access_token != grant.access_token:
                    return current
                raise TransientError(
                    "Another worker is refreshing this grant; its answer has not come yet.",
                    code="refresh_under_way",
                )
            time.sleep(LOOK_AGAIN.total_seconds())

    def load(self, grant_id: str) -> StoredGrant:
        """The pair as it stands; GrantLostError when it is dead, ConfigurationError when no key opens it."""
        self._save_what_is_unsaved()
        try:
            with self._database.reading() as tx:
                grant = grants.load(tx, self._vault, grant_id)
        except SealError as error:
            raise ConfigurationError(str(error), code="wrong_keys") from error
        if grant.is_dead:
            raise GrantLostError("The grant has expired or was revoked; connect the organisation again.")
        return grant

    def _refresh(self, grant: StoredGrant) -> StoredGrant:
        """Send the pair we hold the lease for; save the answer only over that same pair."""
        reached("refresh.begun")
        try:
            pair = self._identity(grant).refresh(grant.refresh_token)
            reached("refresh.answered")
        except GrantLostError:
            with self._database.transaction() as tx:
                believed = grants.kill(tx, grant)
            if believed:
                raise
            return self.load(grant.id)
        except ConnectorError:
            with self._database.transaction() as tx:
                grants.give_back(tx, grant)
            raise
        with self._lock:
            self._unsaved[grant.id, grant.version] = _Unsaved(grant, pair, time.monotonic())
        saved = self.load(grant.id)
        reached("refresh.saved")
        return saved

    def _identity(self, grant: StoredGrant) -> Identity:
        if grant.provider in self._identities:
            return self._identities[grant.provider]
        raise ConfigurationError(f"{grant.provider} is not set up here.", code="not_set_up")

    def _save_what_is_unsaved(self) -> bool:
        """Bring every pair we still hold into the database; whether there was one.

        When the database is away a pair stays here: nobody else has it, and the one that is stored dies
        within minutes.
        """
        with self._lock:
            waiting = list(self._unsaved.items())
        for key, unsaved in waiting:
            with self._database.transaction() as tx:
                # Not saved: somebody replaced the pair while we asked. Theirs is the newer one.
                grants.save(
                    tx,
                    self._vault,
                    unsaved.read,
                    access_token=unsaved.pair.access_token,
                    refresh_token=unsaved.pair.refresh_token,
                    expires_in=unsaved.lasts,
                )
            with self._lock:
                self._unsaved.pop(key, None)
        return bool(waiting)
