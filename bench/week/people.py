"""What people and the provider do while the engine works: edits, presses, an outage, an absence."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import select

from bench.week.engine import Engine, Member
from bench.week.plan import Happening
from ledgertide.connect import Wish, connect_by_token
from sandbox.testing import SandboxError
from store import organisations, vanished
from store.models import candidates, feeds
from sync.services import SHAPES
from tasks import enqueue

# More calls than an outage can meet.
UNTIL_CLEARED = 1_000_000


@dataclass(frozen=True)
class Pressed:
    """A receipt, and when it was given."""

    id: str
    organisation_id: str
    feed_id: str
    generation: int
    full: bool
    at: datetime


class People:
    """Does what the plan says, and keeps the receipts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sandbox = engine.sandbox
        self._faults: dict[str, dict[str, object]] = {}
        self.presses: list[Pressed] = []
        self.edited = 0
        self.outage: list[datetime] = []  # from, to
        self.absence: list[datetime] = []
        self.absent: Member | None = None
        self._does = {
            "edit": self._edit,
            "press": self._press,
            "outage": self._outage,
            "outage over": self._outage_over,
            "leaves": self._leaves,
            "returns": self._returns,
            "looks": self.look,
        }

    def do(self, happening: Happening) -> None:
        """Do one thing now."""
        self._does[happening.kind](happening)

    def press(self, member: Member, resource: str, *, full: bool) -> None:
        """*Sync now*, or *Full resync*."""
        receipt = enqueue.press(self._engine.app, member.slug, resource, by="somebody", full=full)
        self.presses.append(
            Pressed(
                receipt.id,
                member.organisation_id,
                receipt.feed_id,
                receipt.generation,
                full,
                self._engine.clocks.now,
            )
        )

    def look(self, _: Happening | None = None) -> None:
        """Somebody finds the vanishes that are held, and says that those records are gone indeed."""
        with self._engine.services.database.transaction() as tx:
            held = select(candidates.c.feed_id).where(candidates.c.held_at.is_not(None))
            for feed in tx.execute(select(feeds).where(feeds.c.id.in_(held))).all():
                vanished.apply(
                    tx.scope(feed.organisation_id),
                    SHAPES[feed.resource],
                    feed_id=feed.id,
                    connection_id=feed.connection_id,
                    actor="somebody",
                )

    def _edit(self, happening: Happening) -> None:
        tenant = self._member(happening).tenant_id
        try:
            changed = self._sandbox.edit(tenant, happening.resource, happening.action)
        except SandboxError:  # not every list knows every action: then a record is edited
            changed = self._sandbox.edit(tenant, happening.resource)
        self.edited += len(changed)

    def _press(self, happening: Happening) -> None:
        self.press(self._member(happening), happening.resource, full=happening.full)

    def _outage(self, _: Happening) -> None:
        self.outage.append(self._engine.clocks.now)
        self._faults["outage"] = {"kind": "status", "status": 503, "count": UNTIL_CLEARED}
        self._arm()

    def _outage_over(self, _: Happening) -> None:
        self.outage.append(self._engine.clocks.now)
        del self._faults["outage"]
        self._arm()

    def _leaves(self, happening: Happening) -> None:
        self.absent = self._member(happening)
        self.absence.append(self._engine.clocks.now)
        self._faults["absence"] = {"kind": "tenant_removed", "tenant": self.absent.tenant_id}
        self._arm()

    def _returns(self, happening: Happening) -> None:
        """The owner agrees again."""
        member = self._member(happening)
        del self._faults["absence"]
        self._arm()
        token = next(
            grant["refresh_token"]
            for grant in self._sandbox.grants()["grants"]
            if member.tenant_id in {tenant["tenant_id"] for tenant in grant["tenants"]}
        )
        wish = Wish("xero", member.slug, member.tenant_id, member.day_limit)
        connect_by_token(self._engine.services, wish, SecretStr(token), by="somebody")
        self.absence.append(self._engine.clocks.now)

    def _arm(self) -> None:
        self._sandbox.clear_faults()
        for fault in self._faults.values():
            self._sandbox.control("POST", "faults", fault)

    def _member(self, happening: Happening) -> Member:
        return self._engine.members[happening.organisation]


def every_member(engine: Engine) -> list[tuple[Member, list[str]]]:
    """The organisations with the resources that are read."""
    with engine.services.database.reading() as tx:
        return [
            (member, organisations.resources(tx, organisations.find(tx, member.slug)))
            for member in engine.members
        ]
