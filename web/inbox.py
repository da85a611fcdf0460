"""Deliveries on their way into the database: all that came while the last ones were stored go in together.

A transaction for each would make a storm wait for one lock, or on SQLite for one disk, over and over; this
way fifty at once cost little more than one. Nobody is answered before what they brought is stored.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

import structlog

from config.points import reached
from store.database import DatabaseUnavailableError, Transaction

D = TypeVar("D")
R = TypeVar("R")
log = structlog.get_logger()

# Xero waits for 5 seconds. What is stored after that is stored, and its repetition changes nothing.
PATIENCE_SECONDS = 4.0
MOST_TOGETHER = 500
MOST_WAITING = 5_000


class Inbox(Generic[D, R]):
    """Stores deliveries by `keep`, which is given many at once and says of each what became of it.

    `begin` is the database's `transaction`, or its `statement` where `keep` makes one alone.
    """

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[Transaction]],
        keep: Callable[[Transaction, Sequence[D]], Sequence[R]],
    ) -> None:
        self._begin = begin
        self._keep = keep
        self._waiting: list[tuple[D, asyncio.Future[R]]] = []
        self._came = asyncio.Event()

    async def put(self, delivery: D) -> R:
        """Come back once it is stored; raises DatabaseUnavailableError when that cannot be done soon."""
        if len(self._waiting) >= MOST_WAITING:
            raise DatabaseUnavailableError("More comes in than can be stored.")
        stored: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, stored))
        self._came.set()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await stored
        except TimeoutError:
            raise DatabaseUnavailableError("It was not stored in time.") from None

    async def work(self) -> None:
        """Store what comes, for ever."""
        try:
            # What a first time costs, to build statements and to connect, is no delivery's to wait for.
            await asyncio.to_thread(self._store_nothing)
        except Exception:  # whatever it is, nobody waits for it, and each delivery tries for itself
            log.exception("inbox_not_tried_out")
        while True:
            await self._came.wait()
            together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            if not self._waiting:
                self._came.clear()
            # Whoever gave up waiting will send it again.
            await self._store([(delivery, stored) for delivery, stored in together if not stored.done()])

    async def _store(self, together: Sequence[tuple[D, "asyncio.Future[R]"]]) -> None:
        if not together:
            return
        try:
            kept = await asyncio.to_thread(self._transact, [delivery for delivery, _ in together])
        except Exception as error:  # it is theirs who wait
            if len(together) > 1 and not isinstance(error, DatabaseUnavailableError):
                log.exception("deliveries_not_stored_together", count=len(together))
                for each in together:  # one of them is odd: the others need not suffer for it
                    await self._store([each])
                return
            for _, stored in together:
                if not stored.done():
                    stored.set_exception(error)
            return
        for (_, stored), became in zip(together, kept, strict=True):
            if not stored.done():
                stored.set_result(became)

    def _store_nothing(self) -> None:
        with self._begin() as tx:
            self._keep(tx, [])

    def _transact(self, deliveries: Sequence[D]) -> Sequence[R]:
        with self._begin() as tx:
            kept = self._keep(tx, deliveries)
            reached("delivery.written")
        reached("delivery.kept")
        return kept
