"""The feed of changes: in order, without a hole, and never without the rows it tells of."""

import threading
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import select, text
from structlog.testing import capture_logs

from store import events, organisations
from store.database import Database
from store.events import Event
from store.models import events as event_rows
from tests.integration.engine import Engine
from tests.integration.workers import Queues, app_of, wait_until
from tests.integration.worlds import connect_organisation

CONTACTS = "xero.contacts"
WRITERS, EACH = 4, 40


def append(
    database: Database, organisation_id: str, feed_id: str, ids: list[str], *, fail: bool = False
) -> None:
    with database.transaction() as tx:
        events.append(
            tx,
            organisation_id=organisation_id,
            feed_id=feed_id,
            resource=CONTACTS,
            run_id=None,
            changes={"added": ids, "changed": ids[:1]},
        )
        if fail:
            raise _BreakOffError


class _BreakOffError(Exception):
    """The transaction ends here."""


def read(database: Database, organisation_id: str, after: int = 0) -> list[Event]:
    with database.reading() as tx:
        return list(events.read(tx.scope(organisation_id), after=after, limit=50))


def connect_two(database: Database) -> dict[str, str]:
    """Organisation → its feed."""
    feeds = [
        connect_organisation(database, name, {CONTACTS: timedelta(hours=1)})[0] for name in ("one", "two")
    ]
    with database.reading() as tx:
        return dict(zip((organisations.find(tx, name).id for name in ("one", "two")), feeds, strict=True))


def test_a_reader_of_many_writers_misses_none_and_meets_no_hole(database_url: str) -> None:
    database = Database(database_url, pool_size=WRITERS + 2)
    feeds = connect_two(database)
    expected = 2 * WRITERS * EACH
    heard: dict[str, list[Event]] = defaultdict(list)

    def write(number: int) -> None:
        for turn in range(EACH):
            # Every writer writes for both, in another order: they get into each other's way.
            for organisation_id in sorted(feeds, reverse=bool((number + turn) % 2)):
                ids = [f"{number}-{turn}-a", f"{number}-{turn}-b"]
                if turn % 5 == 0:
                    with suppress(_BreakOffError):
                        append(database, organisation_id, feeds[organisation_id], ids, fail=True)
                append(database, organisation_id, feeds[organisation_id], ids)

    def everything_heard() -> bool:
        for organisation_id in feeds:
            mine = heard[organisation_id]
            mine += read(database, organisation_id, mine[-1].sequence if mine else 0)
        return all(len(heard[organisation_id]) == expected for organisation_id in feeds)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    wait_until(everything_heard, "the reader has them all")
    for writer in writers:
        writer.join()
    database.close()

    for organisation_id, mine in heard.items():
        assert [event.sequence for event in mine] == list(range(1, expected + 1))
        assert {event.organisation_id for event in mine} == {organisation_id}
        added = Counter(event.ids for event in mine if event.kind == "added")
        assert set(added.values()) == {1}
        assert len(added) == WRITERS * EACH


def test_who_comes_second_waits_for_the_first_to_commit(database_url: str) -> None:
    database = Database(database_url)
    feeds = connect_two(database)
    one, two = feeds
    done = threading.Event()

    def second() -> None:
        append(database, one, feeds[one], ["second"])
        done.set()

    with database.transaction() as tx:
        events.append(
            tx,
            organisation_id=one,
            feed_id=feeds[one],
            resource=CONTACTS,
            run_id=None,
            changes={"added": ["first"]},
        )
        thread = threading.Thread(target=second)
        thread.start()
        early = done.wait(0.3)
        seen_meanwhile = read(database, one)
    thread.join()
    append(database, two, feeds[two], ["elsewhere"])

    assert (early, seen_meanwhile) == (False, [])
    assert [event.ids for event in read(database, one)] == [("first",), ("second",), ("second",)]
    assert [event.sequence for event in read(database, two)] == [1, 2]
    database.close()


NO_ROOM = {
    "sqlite": ["CREATE TRIGGER no_room BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no room'); END"],
    "postgresql": [
        (
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no room'; END $$"
        ),
        "CREATE TRIGGER no_room BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION no_room()",
    ],
}
ROOM = {"sqlite": "DROP TRIGGER no_room", "postgresql": "DROP TRIGGER no_room ON events"}


def test_rows_cursor_progress_and_events_are_stored_together_or_not_at_all(
    whole_engine: Engine, database_kind: str, redis_url: str
) -> None:
    one, other = whole_engine.connect(resources=[CONTACTS])
    database, queues = whole_engine.services.database, Queues(redis_url)
    whole_engine.sync(other, CONTACTS)
    with database.transaction() as tx:
        for statement in NO_ROOM[database_kind]:
            tx.execute(text(statement))

    with app_of(whole_engine) as app, capture_logs():
        message = whole_engine.press(one, CONTACTS).messages[0]
        app.tasks["sync.slice"](message.run_id, message.slice)
    queues.close()
    run, feed, line = (
        whole_engine.runs(one, CONTACTS)[0],
        whole_engine.feed(one, CONTACTS),
        whole_engine.line(one, CONTACTS),
    )
    stored = whole_engine.stored(one, CONTACTS)
    with database.transaction() as tx:
        tx.execute(text(ROOM[database_kind]))
    whole_engine.sync(one, CONTACTS)

    assert stored == {}
    assert (feed.newest_at, feed.cursor, feed.full_cursor, feed.served) == (None, None, None, 0)
    assert (run.state, run.reason, run.pages, run.seen, run.attempts) == ("snoozed", "back-off", 0, 0, 1)
    assert str(line.error).startswith("Something unforeseen went wrong here")
    assert whole_engine.parsed(one, CONTACTS) == whole_engine.at_provider(one, CONTACTS)
    with database.reading() as tx:
        scope = tx.scope(organisations.find(tx, one).id)
        mine = tx.execute(scope.select(event_rows).order_by(event_rows.c.sequence)).all()
        everyone = tx.execute(select(event_rows)).all()
    assert [(event.sequence, event.kind, event.run_id) for event in mine] == [(1, "added", run.id)]
    assert len(everyone) == 2
