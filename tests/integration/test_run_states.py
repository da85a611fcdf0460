"""The state table of a run, driven in every order Hypothesis thinks of, on both databases.

The machine plays everybody: people who press, beat, Redis that loses, doubles and reorders messages,
workers that die, wake up too late, are refused calls, and a clock that jumps past leases.
"""

import contextlib
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from store import dispatch, feeds, presses, runs
from store.database import Database
from store.models import metadata
from store.models import runs as run_rows
from tests.integration.worlds import connect_organisation

CADENCE = timedelta(hours=1)
_NUMBERS = itertools.count()


class RunStates(RuleBasedStateMachine):
    """One feed under test, and a second organisation's that nothing may touch."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.queue: list[runs.Message] = []
        self.claims: list[runs.Claim] = []
        self.moment = 0  # logical time: every press and every first read has its own
        self.pressed: dict[int, int] = {}  # generation → moment
        self.began: dict[str, int] = {}  # run → moment of its last first read
        self.has_page: set[str] = set()
        self.served = 0

    @initialize()
    def connect(self) -> None:
        with self.database.transaction() as tx:
            for table in reversed(metadata.sorted_tables):
                tx.execute(table.delete())
        number = next(_NUMBERS)
        self.feed_id = connect_organisation(self.database, f"acme {number}", {"xero.contacts": CADENCE})[0]
        self.other_feed_id = connect_organisation(
            self.database, f"other {number}", {"xero.contacts": CADENCE}
        )[0]
        with self.database.transaction() as tx:
            tx.execute(
                feeds.feeds.update()
                .where(feeds.feeds.c.id == self.other_feed_id)
                .values(due_at=tx.now + timedelta(days=3650))
            )

    # --- people, beat, Redis -------------------------------------------------------------

    @rule(times=st.integers(1, 3))
    def press(self, times: int) -> None:
        for _ in range(times):
            with self.database.transaction() as tx:
                press = presses.press(tx, self.feed_id, by="somebody")
            self.moment += 1
            self.pressed[press.generation] = self.moment
            self.queue += press.messages

    @rule()
    def beat(self) -> None:
        self.queue += self._tick()

    def _tick(self) -> list[runs.Message]:
        with self.database.transaction() as tx:
            dispatch.recover(tx)
            found = dispatch.unpublished(tx, "now", 10) + dispatch.unpublished(tx, "sync", 10)
            opened = [runs.open_due(tx, feed.id, full=feed.full) for feed in feeds.due(tx, 10)]
        return found + [message for message in opened if message]

    @rule(seconds=st.sampled_from([1, 46, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.database.clock_offset += timedelta(seconds=seconds)

    @rule(wiped=st.booleans(), at=st.integers(0, 20))
    def redis_loses_or_doubles(self, wiped: bool, at: int) -> None:
        if wiped:
            self.queue.clear()
            with self.database.transaction() as tx:
                dispatch.forget_messages(tx)
        elif self.queue:
            self.queue.append(self.queue[at % len(self.queue)])

    # --- workers -------------------------------------------------------------------------

    @rule(at=st.integers(0, 20), forged=st.integers(-1, 2))
    def deliver(self, at: int, forged: int) -> None:
        if not self.queue:
            return
        message = self.queue.pop(at % len(self.queue))
        self._deliver(message, message.slice + (max(0, forged)))

    def _deliver(self, message: runs.Message, slice_number: int) -> runs.Claim | None:
        with self.database.transaction() as tx:
            claim = runs.claim(tx, message.run_id, slice_number)
        if claim:
            self.claims.append(claim)
            if claim.run_id not in self.has_page:
                self.moment += 1
                self.began[claim.run_id] = self.moment
        return claim

    @rule(at=st.integers(0, 20), last=st.booleans(), used_up=st.booleans())
    def store_a_page(self, at: int, last: bool, used_up: bool) -> None:
        if not self.claims:
            return
        claim = self.claims[at % len(self.claims)]
        try:
            with self.database.transaction() as tx:
                runs.renew(tx, claim, runs.Tally(pages=1, calls=1))
                ending = runs.end(tx, claim) if last else None
                message = runs.release(tx, claim) if used_up and not last else None
        except runs.LeaseLostError:
            self.claims.remove(claim)
            return
        self.has_page.add(claim.run_id)
        if last or used_up:
            self.claims.remove(claim)
        if message:
            self.queue.append(message)
        if ending and ending.follow_up:
            self.queue.append(ending.follow_up)

    @rule(
        at=st.integers(0, 20),
        reason=st.sampled_from(["minute limit", "day reserve", "back-off", "grant expired"]),
    )
    def snooze(self, at: int, reason: str) -> None:
        if not self.claims:
            return
        claim = self.claims.pop(at % len(self.claims))
        wait = None if reason == "grant expired" else timedelta(seconds=30)
        with contextlib.suppress(runs.LeaseLostError), self.database.transaction() as tx:
            runs.snooze(tx, claim, wait=wait, reason=reason)

    @rule()
    def reconnect(self) -> None:
        with self.database.transaction() as tx:
            feed = tx.execute(select(feeds.feeds).where(feeds.feeds.c.id == self.feed_id)).one()
            dispatch.wake_connection(tx, feed.connection_id)

    # --- what always holds -----------------------------------------------------------------

    @invariant()
    def at_most_one_claim_can_write(self) -> None:
        if len(self.claims) < 2:
            return
        able = 0
        for claim in self.claims:
            with contextlib.suppress(runs.LeaseLostError, _RollBackError), self.database.transaction() as tx:
                runs.renew(tx, claim)
                able += 1
                raise _RollBackError
        assert able <= 1

    @invariant()
    def the_table_holds(self) -> None:
        """In one look, as there are thousands."""
        with self.database.reading() as tx:
            feed = tx.execute(select(feeds.feeds).where(feeds.feeds.c.id == self.feed_id)).one()
            columns = (run_rows.c.id, run_rows.c.feed_id, run_rows.c.state, run_rows.c.ended_at)
            known = tx.execute(select(*columns)).all()
        self.at_most_one_run_is_open(known)
        self.a_press_is_served_only_by_a_run_that_began_reading_after_it(feed, known)
        self.the_other_organisation_is_left_alone(known)

    def at_most_one_run_is_open(self, known: Sequence[Any]) -> None:
        assert len([run for run in known if run.ended_at is None]) <= 1

    def a_press_is_served_only_by_a_run_that_began_reading_after_it(
        self, feed: Any, known: Sequence[Any]
    ) -> None:
        assert feed.served >= self.served
        self.served = feed.served
        began = [self.began[run.id] for run in known if run.state == "done" and run.id in self.began]
        for generation, moment in self.pressed.items():
            if generation <= feed.served:
                assert any(start > moment for start in began), f"press {generation} was never answered"

    def the_other_organisation_is_left_alone(self, known: Sequence[Any]) -> None:
        assert {run.feed_id for run in known} <= {self.feed_id}

    def teardown(self) -> None:
        """However it was left: once the clock goes on and workers work, every press is served."""
        if not hasattr(self, "feed_id"):
            return
        self.claims.clear()
        with contextlib.suppress(_RollBackError):
            self.reconnect()
        for _ in range(12):
            self.database.clock_offset += timedelta(seconds=60)
            self.queue += self._tick()
            while self.queue:
                message = self.queue.pop()
                if self._deliver(message, message.slice):
                    self.store_a_page(-1, last=True, used_up=False)
            with self.database.reading() as tx:
                feed = tx.execute(select(feeds.feeds).where(feeds.feeds.c.id == self.feed_id)).one()
            if feed.served == len(self.pressed):
                break
        assert feed.served == feed.asked == len(self.pressed)


class _RollBackError(Exception):
    """Undo what an invariant tried."""


@pytest.mark.long
def test_the_state_table_holds_whatever_happens_in_whatever_order(database_url: str) -> None:
    database = Database(database_url)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: RunStates(database),
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            print_blob=True,
        ),
    )

    database.close()


def test_a_hundred_presses_during_a_run_are_answered_by_exactly_one_more(database_url: str) -> None:
    database = Database(database_url)
    feed_id, other = (
        connect_organisation(database, name, {"xero.contacts": CADENCE})[0] for name in ("acme", "globex")
    )
    with database.transaction() as tx:
        first = presses.press(tx, feed_id, by="somebody")
        claim = runs.claim(tx, first.messages[0].run_id, 1)
        assert claim

    for _ in range(100):
        with database.transaction() as tx:
            assert presses.press(tx, feed_id, by="somebody").messages == ()
    with database.transaction() as tx:
        follow_up = runs.end(tx, claim).follow_up
        assert follow_up
        second = runs.claim(tx, follow_up.run_id, follow_up.slice)
        assert second
        assert runs.end(tx, second).follow_up is None

    with database.reading() as tx:
        assert tx.execute(select(func.count()).select_from(run_rows)).scalar_one() == 2
        assert tx.execute(select(feeds.feeds.c.served).where(feeds.feeds.c.id == feed_id)).scalar_one() == 101
        assert tx.execute(select(feeds.feeds.c.asked).where(feeds.feeds.c.id == other)).scalar_one() == 0
    database.close()


@pytest.mark.parametrize("reason", ["day reserve", "back-off", "minute limit", "day limit"])
def test_a_press_cuts_our_own_waits_short_and_leaves_the_providers(database_url: str, reason: str) -> None:
    database = Database(database_url)
    feed_id = connect_organisation(database, "acme", {"xero.contacts": CADENCE})[0]
    connect_organisation(database, "globex", {"xero.contacts": CADENCE})
    with database.transaction() as tx:
        message = presses.press(tx, feed_id, by="somebody").messages[0]
        claim = runs.claim(tx, message.run_id, message.slice)
        assert claim
        runs.snooze(tx, claim, wait=timedelta(hours=3), reason=reason)

    with database.transaction() as tx:
        press = presses.press(tx, feed_id, by="somebody else")

    if reason in runs.OUR_REASONS:
        assert press.messages
        assert press.reason is None
    else:
        assert press.messages == ()
        assert press.reason == reason
        assert press.waits_until is not None
    database.close()
