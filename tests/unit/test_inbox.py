"""The inbox of webhooks, on its own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from store.database import Database, Transaction
from web.inbox import Inbox


def test_a_first_try_that_fails_keeps_no_delivery_from_being_stored(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")

    def keep(_tx: Transaction, deliveries: Sequence[str]) -> Sequence[str]:
        if not deliveries:
            raise RuntimeError("no right to write here yet")
        return [f"{each} is kept" for each in deliveries]

    async def deliver() -> str:
        inbox = Inbox(database.transaction, keep)
        working = asyncio.create_task(inbox.work())
        became = await inbox.put("it")
        working.cancel()
        return became

    assert asyncio.run(deliver()) == "it is kept"
    database.close()
