"""Whether everything ended right: the store against the provider, the slots, the presses, the limits."""

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import and_, func, or_, select

from ledgertide.demo.comparison import Difference, add_up, compare_with_dump
from store import organisations, status, vanished
from store.database import Database, DatabaseUnavailableError, Scope
from store.feeds import next_due
from store.models import feeds, grants, notices, runs
from store.models import organisations as organisations_table
from sync.services import SHAPES
from tests.faults.house import CADENCE, RESOURCES, House, until

SETTLES_WITHIN = 120.0  # each of its parts; only to give up: they take some seconds
# Lists that are read whole each time.
WHOLE = [name for name in RESOURCES if SHAPES[name].whole]
# A run of a settled house is a page or two.
OPEN_AT_MOST = timedelta(seconds=20)
# A whole list that changed while it was read is put off for so long; and what a decision sent is forgotten.
AN_HOUR = timedelta(hours=1)


@dataclass
class Verdict:
    """What was found once everything had settled."""

    differences: dict[str, Difference]
    refused: list[str] = field(default_factory=list)
    """Calls beyond a limit: when, which, why."""
    twice: list[str] = field(default_factory=list)
    lost_presses: list[str] = field(default_factory=list)
    """Presses that were taken and not answered until others were made."""
    unread: list[str] = field(default_factory=list)
    """Lists that were not read again by themselves."""
    by_itself: Difference = field(default_factory=Difference)
    """What the product's own reads left different; what no such read can show is not in it."""
    missed_events: list[str] = field(default_factory=list)
    both_ways: list[str] = field(default_factory=list)
    """What is wrong with decisions and webhooks."""
    calls: int = 0
    runs: int = 0

    def flaws(self) -> list[str]:
        """One sentence for each thing that is wrong."""
        total, own = add_up(self.differences.values()), self.by_itself
        told = {
            f"{len(self.unread)} lists not read again by themselves": self.unread,
            f"{len(own.missing)} missing before anybody asked": own.missing,
            f"{len(own.extra)} extra before anybody asked": own.extra,
            f"{len(own.stale)} stale before anybody asked": own.stale,
            f"{len(total.missing)} missing": total.missing,
            f"{len(total.extra)} extra": total.extra,
            f"{len(total.stale)} stale": total.stale,
            f"{len(self.twice)} slots run twice": self.twice,
            f"{len(self.lost_presses)} presses lost": self.lost_presses,
            f"{len(self.missed_events)} events never shown": self.missed_events,
            f"{len(self.refused)} calls refused": self.refused,
        }
        flaws = [f"{what}: {', '.join(map(str, found[:5]))}" for what, found in told.items() if found]
        return flaws + self.both_ways


def settle(house: House, presses: Sequence[str] = (), untold: Collection[str] = ()) -> Verdict:
    """Let everything come to its end, first by itself, then by full presses; what was found to be wrong.

    `untold`: records that only a full read shows as they are.
    """
    lost, unread = _await_by_itself(house, presses)
    own = add_up(_differences(house).values())
    extra, stale = (tuple(sorted({*ids} - {*untold})) for ids in (own.extra, own.stale))
    own = replace(own, extra=extra, stale=stale)
    _read_all_twice(house)
    return replace(judge(house), lost_presses=lost, unread=unread, by_itself=own)


def _await_by_itself(house: House, presses: Sequence[str]) -> tuple[list[str], list[str]]:
    """Wait until every press is answered and every list read since, asking for nothing: what was not.

    A refresh whose answer was lost is sent again first: its token would not live through the hour.
    """
    until(lambda: _refreshed(house), SETTLES_WITHIN, "every refresh that was begun has come through")
    house.let_pass(AN_HOUR)
    moment = until(lambda: _now(house), 30, "the database is back")
    lost, unread = list(presses), ["all"]
    deadline = time.monotonic() + SETTLES_WITHIN
    while (lost or unread) and time.monotonic() < deadline:
        time.sleep(0.2)
        lost, unread = unanswered(house, lost), _unread_since(house, moment)
    return lost, unread


def _refreshed(house: House) -> bool:
    begun = and_(grants.c.refresh_intent_at.is_not(None), grants.c.dead_at.is_(None))
    try:
        with house.services.database.reading() as tx:
            return not tx.execute(select(grants.c.id).where(begun)).all()
    except DatabaseUnavailableError:
        return False


def _now(house: House) -> datetime | None:
    try:
        with house.services.database.reading() as tx:
            return tx.now
    except DatabaseUnavailableError:  # a connection from before the last fault
        return None


def _unread_since(house: House, moment: datetime) -> list[str]:
    """Each with what its feed says of the reason."""
    read = select(runs.c.feed_id).where(runs.c.state == "done", runs.c.first_read_at > moment)
    query = (
        select(organisations_table.c.slug, feeds.c.resource, feeds.c.error_code)
        .join(feeds, feeds.c.organisation_id == organisations_table.c.id)
        .where(feeds.c.enabled, feeds.c.id.not_in(read))
    )
    with house.services.database.reading() as tx:
        return [f"{row.slug} {row.resource} ({row.error_code})" for row in tx.execute(query)]


def _read_all_twice(house: House) -> None:
    """Read every feed whole, twice (what vanished needs two reads that agree), until nothing is open."""
    for number in (1, 2):
        for slug in house.slugs:
            for resource in RESOURCES:
                until(lambda: _pressed(house, slug, resource), 30, "a press is taken")  # noqa: B023
        deadline = time.monotonic() + SETTLES_WITHIN
        while owed := [*_again(house), *_owed(house)]:
            assert time.monotonic() < deadline, f"full resync {number} does not end: {owed}"
            time.sleep(0.1)
    for slug in house.slugs:
        for resource in RESOURCES:
            _apply_held(house, slug, resource)


def _pressed(house: House, slug: str, resource: str) -> bool:
    try:
        house.press(slug, resource, full=True)
    except DatabaseUnavailableError:  # a connection from before the last fault
        return False
    return True


def _apply_held(house: House, slug: str, resource: str) -> None:
    """Where all that a list had is gone, a person has to say so; were it not, it would be missing below."""
    feed = house.engine.feed(slug, resource)
    with house.services.database.transaction() as tx:
        scope, shape = tx.scope(feed.organisation_id), house.services.shape(resource)
        if vanished.held(scope, feed.id):
            vanished.apply(scope, shape, feed_id=feed.id, connection_id=feed.connection_id, actor="soak")


def _again(house: House) -> list[Any]:
    """A read that was under way while people edited proves nothing, and is put off for an hour: ask again."""
    query = (
        select(organisations_table.c.slug, feeds.c.resource)
        .join(feeds, feeds.c.organisation_id == organisations_table.c.id)
        .where(feeds.c.full_asked_at.is_not(None))
    )
    with house.services.database.reading() as tx:
        put_off = tx.execute(query.where(feeds.c.full_due_at > tx.now)).all()
    for slug, resource in put_off:
        house.press(slug, resource, full=True)
    return list(put_off)


def _owed(house: House) -> list[Any]:
    """Feeds that have not given yet what was asked for, and runs that are open for too long."""
    with house.services.database.reading() as tx:
        waits = or_(feeds.c.full_asked_at.is_not(None), feeds.c.asked > feeds.c.served)
        old = and_(runs.c.ended_at.is_(None), runs.c.opened_at < tx.now - OPEN_AT_MOST)
        waiting = select(
            feeds.c.resource,
            feeds.c.asked,
            feeds.c.served,
            feeds.c.due_at,
            feeds.c.full_due_at,
            feeds.c.error_code,
        )
        standing = select(
            runs.c.id,
            runs.c.resource,
            runs.c.cause,
            runs.c.state,
            runs.c.reason,
            runs.c.slice,
            runs.c.not_before,
        )
        return [*tx.execute(waiting.where(waits)).all(), *tx.execute(standing.where(old)).all()]


def judge(house: House) -> Verdict:
    """Compare a settled house with the provider, record by record, and look at what it did meanwhile."""
    calls = house.sandbox.calls()
    return Verdict(
        differences=_differences(house),
        refused=[_refused(call) for call in calls if call["status"] == 429 and call["fault"] is None],
        twice=slots_run_twice(house.services.database),
        calls=len(calls),
        runs=_count(house.services.database),
    )


def _refused(call: dict[str, Any]) -> str:
    flying = f"{call['in_flight']} in flight"
    return f"{call['at']:.3f} {call['endpoint']} of {call['tenant']}: {call['problem']}, {flying}"


def _differences(house: House) -> dict[str, Difference]:
    return {resource: _difference(house, resource) for resource in RESOURCES}


def _difference(house: House, resource: str) -> Difference:
    found = []
    for slug in house.slugs:
        dump = house.sandbox.dump_bytes(house.engine.tenants[slug], resource).decode()
        with house.services.database.reading() as tx:
            scope = tx.scope(organisations.find(tx, slug).id)
            found.append(compare_with_dump(scope, resource, dump))
    return add_up(found)


def unanswered(house: House, presses: Sequence[str]) -> list[str]:
    """Those of these presses that are not done yet."""
    with house.services.database.reading() as tx:
        scopes = [tx.scope(organisations.find(tx, slug).id) for slug in house.slugs]
        return [press for press in presses if not any(_is_done(scope, press) for scope in scopes)]


def _is_done(scope: Scope, press: str) -> bool:
    try:
        return status.press_state(scope, press).done
    except LookupError:
        return False


def slots_run_twice(database: Database) -> list[str]:
    """Runs that the schedule opened in a slot which the feed's run before had read already.

    In the order of their claims: the clock may have been set back in between, and a slot of a time that comes
    again is read again. Where a webhook told of a change meanwhile, the feed is read for that.
    """
    by_itself = or_(runs.c.cause == "schedule", and_(runs.c.resource.in_(WHOLE), runs.c.asked_by.is_(None)))
    columns = (runs.c.feed_id, runs.c.opened_at, runs.c.first_read_at, feeds.c.phase_seconds)
    query = (
        select(*columns, and_(runs.c.cause.in_(["schedule", "full"]), by_itself).label("scheduled"))
        .join(feeds, feeds.c.id == runs.c.feed_id)
        .where(runs.c.state == "done", runs.c.cause != "record")
        .order_by(runs.c.feed_id, runs.c.fence)
    )
    with database.reading() as tx:
        rows = tx.execute(query).all()
        told = defaultdict[str, list[datetime]](list)
        for notice in tx.execute(select(notices.c.feed_id, notices.c.received_at)):
            told[notice.feed_id].append(notice.received_at)
    found = []
    for before, row in pairwise(rows):
        same_slot = before.first_read_at <= row.opened_at < _next(before.first_read_at, row.phase_seconds)
        if row.feed_id != before.feed_id or not row.scheduled or not same_slot:
            continue
        if not any(before.opened_at <= moment <= row.opened_at for moment in told[row.feed_id]):
            found.append(f"{row.feed_id} at {row.opened_at.isoformat()}")
    return found


def _next(moment: datetime, phase_seconds: int) -> datetime:
    return next_due(moment, phase=timedelta(seconds=phase_seconds), cadence=CADENCE)


def _count(database: Database) -> int:
    with database.reading() as tx:
        return int(tx.execute(select(func.count()).select_from(runs)).scalar_one())
