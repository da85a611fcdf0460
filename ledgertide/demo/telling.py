"""Edits that nobody presses for: Xero's webhooks tell of them, some of them twice, and forged ones beside."""

import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ledgertide.demo.edits import Customer
from ledgertide.embedded.system import System
from ledgertide.embedded.webhooks import subscribe
from ledgertide.problems import CommandError
from store import events, organisations
from sync.services import Services

TOLD = ("xero.contacts", "xero.invoices", "xero.credit_notes")
IN_EACH = 2
HABITS = {"double": 0.3, "forge": 0.3, "again_seconds": 1.0}
STORED_WITHIN = timedelta(minutes=1)
LOOK_EVERY_SECONDS = 0.2
REFUSED = 401


@dataclass(frozen=True, slots=True)
class Told:
    """What was told, and how soon it was here."""

    sent: int
    doubled: int
    forged: int
    stored: int
    median_seconds: float
    longest_seconds: float
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """Records of one organisation that were edited at this time, when its newest event had this number."""

    slug: str
    after: int
    ids: tuple[str, ...]
    at: datetime


def edit_and_hear(system: System, services: Services, customers: Sequence[Customer]) -> Told:
    """Edit what Xero has webhooks for, and wait until every change is stored."""
    if not subscribe(system, **HABITS):
        raise CommandError("The web process does not listen: see its log in the demo's folder.")
    edits = list(_edit(system, services, customers))
    give_up_at = time.monotonic() + STORED_WITHIN.total_seconds()
    wanted = sum(len(edit.ids) for edit in edits)
    while len(seconds := _seconds(services, edits)) < wanted and time.monotonic() < give_up_at:
        system.keeper.look_after()
        time.sleep(LOOK_EVERY_SECONDS)
    posted = [one for one in system.doors.posted()["posted"] if one["kind"] != "ready"]
    kinds = Counter(one["kind"] for one in posted)
    believed = sum(one["status"] != REFUSED for one in posted if one["kind"] == "forged")
    flaws = [f"{wanted - len(seconds)} changes that webhooks told of are not stored"] * (
        len(seconds) < wanted
    )
    flaws += [f"{believed} forged webhooks were not refused"] * bool(believed)
    return Told(
        sent=len(posted),
        doubled=kinds["double"],
        forged=kinds["forged"],
        stored=len(seconds),
        median_seconds=statistics.median(seconds or [0.0]),
        longest_seconds=max(seconds, default=0.0),
        flaws=tuple(flaws),
    )


def _edit(system: System, services: Services, customers: Iterable[Customer]) -> Iterable[Edit]:
    for customer in customers:
        with services.database.reading() as tx:
            after = events.newest(tx.scope(organisations.find(tx, customer.slug).id))
        for resource in TOLD:
            at = datetime.now(UTC)
            ids = system.doors.edit(customer.tenant(resource), resource, "edit", count=IN_EACH)
            yield Edit(customer.slug, after, tuple(ids), at)


def _seconds(services: Services, edits: Iterable[Edit]) -> list[float]:
    """From each edit to the event that tells of it, for those that there is one of."""
    found: list[float] = []
    with services.database.reading() as tx:
        for edit in edits:
            scope = tx.scope(organisations.find(tx, edit.slug).id)
            heard: dict[str, datetime] = {}
            for event in events.read(scope, after=edit.after):
                if event.happened_at >= edit.at:
                    heard |= {each: event.happened_at for each in event.ids if each not in heard}
            found += [(heard[each] - edit.at).total_seconds() for each in edit.ids if each in heard]
    return found
