"""The sandbox's Xero tells the house's web process of every edit, untidily; and whether each counted once."""

import socket
from typing import Any

from sqlalchemy import select

from store.database import DatabaseUnavailableError
from store.models import notices
from store.notices import MISSED
from tests.faults.house import House, until

UNTIDY = {"double": 0.2, "forge": 0.2, "overtake": 0.2}
LISTENS_WITHIN = 60.0
# What is not taken comes again after this, after its second failure; in Xero that takes minutes to hours.
AGAIN_SECONDS = 0.5
ALL_TAKEN_WITHIN = 60.0


class Webhooks:
    """A subscription of the house's; its process is `web`, started and killed by whoever likes."""

    def __init__(self, house: House, **habits: float) -> None:
        self._house = house
        settings = house.services.settings
        self.url = f"http://127.0.0.1:{settings.web_port}/hooks/xero"
        key = settings.xero_webhook_keys[0].get_secret_value()
        # One event in each delivery, so that a delivery's number is its event's.
        how = {"together": 1, "again_seconds": AGAIN_SECONDS, **habits}
        until(lambda: house.sandbox.webhooks(self.url, key, **how)["ready"], LISTENS_WITHIN, "web listens")
        self._began = house.sandbox.posted(2**62)["last"]

    def is_listening(self) -> bool:
        """Whether somebody answers at the address."""
        try:
            with socket.create_connection(("127.0.0.1", self._house.services.settings.web_port), timeout=1):
                return True
        except OSError:
            return False

    def end(self) -> None:
        """Tell nobody any more."""
        self._house.sandbox.control("DELETE", "webhooks")

    def posted(self) -> list[dict[str, Any]]:
        """Every attempt since the subscription."""
        return list(self._house.sandbox.posted(self._began)["posted"])

    def await_taken(self) -> None:
        """Come back when every delivery was answered as it should be."""
        all_taken = lambda: not self._house.sandbox.posted(2**62)["under_way"]  # noqa: E731
        until(all_taken, ALL_TAKEN_WITHIN, "every webhook is taken")

    def kept(self) -> list[str]:
        """The records that the house was told of, once for each notice on record."""
        query = select(notices.c.record_id).where(notices.c.kind != MISSED)

        def look() -> list[str] | None:
            try:
                with self._house.services.database.reading() as tx:
                    return [str(each) for each in tx.execute(query).scalars()]
            except DatabaseUnavailableError:  # a connection from before the last fault
                return None

        found: list[str] = until(lambda: (seen := look()) is not None and [seen], 30, "notices are read")[0]
        return found

    def told(self) -> str:
        """What came, in a line."""
        posted = self.posted()
        kinds = [one["kind"] for one in posted]
        unanswered = sum(not 200 <= one["status"] < 300 for one in posted if one["kind"] != "forged")
        return (
            f"{len(posted)} webhooks sent, {kinds.count('double')} doubled, {kinds.count('forged')} forged, "
            f"{unanswered} tried in vain; {len(self.kept())} notices kept"
        )

    def flaws(self) -> list[str]:
        """Each event counts once and no forged one counts: one sentence for what is not so."""
        posted = self.posted()
        true = {one["first"] for one in posted if one["kind"] == "true"}
        taken = {one["first"] for one in posted if one["kind"] == "true" and one["status"] == 200}
        believed = [one for one in posted if one["kind"] == "forged" and one["status"] not in {401, 0}]
        kept, found = len(self.kept()), []
        if true - taken:
            found.append(f"{len(true - taken)} webhooks never taken: {sorted(true - taken)[:5]}")
        if believed:
            found.append(f"{len(believed)} forged webhooks not refused: {believed[:5]}")
        if kept != len(true):
            found.append(f"{kept} notices kept of {len(true)} events")
        return found
