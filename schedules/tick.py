"""One tick: bring back what was lost, wake what may go on, and put what is due on the belt."""

from collections.abc import Mapping
from datetime import timedelta

import structlog
from celery import Celery

from config.points import reached
from limiter.client import LimiterUnavailableError
from store import clock, dispatch, duties, events, feeds, markers, notices, pushes, runs
from store.database import Transaction
from store.runs import Message
from sync.services import Services
from tasks import doorbell, enqueue

log = structlog.get_logger()

# The belt holds about this long of work, and never less than this many messages: enough that no worker
# waits for a tick, little enough that an hour's backlog stays in SQL, where it can be put in order.
BELT_SECONDS = 2.0
SHORTEST_BELT = 16
MOST_AT_ONCE = 2000
# Whose newest event is older than this was rung for, or another beat did it; a listener looks by itself, too.
RING_FOR = timedelta(seconds=15)


class Ticker:
    """Keeps the belt full. Safe to run several times over: each takes its turn."""

    def __init__(self, app: Celery, wanted_duties: Mapping[str, timedelta]) -> None:
        self._app = app
        self._services: Services = app.services
        self._duties = wanted_duties
        self._sent = 0
        self._rung: dict[str, int] = {}
        self._length = 0
        self._rate = 0.0

    def make_duties_known(self) -> None:
        """Bring the rows of duties up to what this version of the program wants."""
        with self._services.database.transaction() as tx:
            duties.keep(tx, self._duties)

    def tick(self) -> dict[str, int]:
        """Do what is due now; tells what was sent, empty when there was nothing to do."""
        services = self._services
        try:
            epoch = services.epoch.begin()
            lengths = services.belt.lengths(["push", "now", "sync"])
            room = self._room(lengths["sync"])
            outages = {name: services.limiter.outage(name) for name in services.providers}
        except LimiterUnavailableError:
            # Without Redis nothing can be sent; what is lost or waiting is put in order all the same.
            with services.database.transaction() as tx:
                dispatch.recover(tx)
            raise
        reached("tick.begun")
        with services.database.transaction() as tx:
            if not markers.begin_turn(tx):
                return {}
            reached("tick.turn")
            if jump := clock.set_back_by(tx):
                log.warning("clock_set_back", seconds=jump.total_seconds())
                clock.put_right(tx, lease=services.pace.lease)
            if markers.replace(tx, "epoch", epoch):
                dispatch.forget_messages(tx)
            recovered = dispatch.recover(tx)
            recovered += dispatch.wake_after(tx, outages)
            # A message taken for lost may only be waiting: without workers the queue must not fill up.
            pushed = pushes.unpublished(
                tx, max(0, MOST_AT_ONCE - lengths["push"]), resend_after=services.pace.resend_after
            )
            pressed = self._unpublished(tx, "now", max(0, MOST_AT_ONCE - lengths["now"]))
            told = notices.hand_over(tx, max(0, min(notices.AT_ONCE, MOST_AT_ONCE - lengths["now"])))
            # Neither those that go on nor those that begin may keep the others off the belt.
            again = self._unpublished(tx, "sync", (room + 1) // 2)
            opened = self._open_due(tx, room - len(again))
            again += self._unpublished(tx, "sync", room - len(again) - len(opened))
            due_duties = duties.take_due(tx)
            newest = events.latest(tx, RING_FOR)
            reached("tick.planned")
        reached("tick.committed")
        belt = [message for message in (*again, *opened) if message.lane == "sync"]
        asked_for = [message for message in opened if message.lane != "sync"]
        sent = enqueue.publish(self._app, [*pushed, *pressed, *told, *asked_for])
        reached("tick.sent")
        self._sent = enqueue.publish(self._app, belt)
        enqueue.send_duties(self._app, due_duties)
        self._ring(newest)
        services.pulse.beat("beat")
        done = {"recovered": recovered, "sent": sent + self._sent, "duties": len(due_duties)}
        return done if any(done.values()) else {}

    def _ring(self, newest: dict[str, int]) -> None:
        """Tell whoever listens, of each event once; after another beat's turn perhaps twice."""
        doorbell.ring(self._app, {who: last for who, last in newest.items() if last > self._rung.get(who, 0)})
        self._rung = newest

    def _unpublished(self, tx: Transaction, lane: str, limit: int) -> list[Message]:
        return dispatch.unpublished(tx, lane, limit, resend_after=self._services.pace.resend_after)

    def _open_due(self, tx: Transaction, room: int) -> list[Message]:
        if room <= 0:
            return []
        opened = [
            runs.open_due(tx, feed.id, full=feed.full, asked_by=feed.full_asked_by if feed.full else None)
            for feed in feeds.due(tx, room)
        ]
        return [message for message in opened if message]

    def _room(self, length: int) -> int:
        """How many messages the belt can take: what the workers took since the last tick tells its length."""
        taken = max(0, self._length + self._sent - length)
        self._rate = max(taken, self._rate * 0.8)
        self._length = length
        target = max(SHORTEST_BELT, int(self._rate * BELT_SECONDS))
        return min(MOST_AT_ONCE, max(0, target - length))
