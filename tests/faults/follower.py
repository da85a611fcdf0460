"""An application that follows the events: it asks for what came after the last one it saw."""

from sqlalchemy import select

from store import events, organisations
from store.database import Database, DatabaseUnavailableError
from store.models import events as event_rows
from tests.faults.house import House
from tests.faults.meanwhile import Meanwhile

LOOK_EVERY = 0.05


class Follower(Meanwhile):
    """Reads on and on; `missed` tells what it was never shown."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._database: Database = house.services.database
        with self._database.reading() as tx:
            self._ids = [organisations.find(tx, slug).id for slug in house.slugs]
        self._seen: dict[str, list[int]] = {each: [] for each in self._ids}

    def last(self, place: int) -> int:
        """The newest sequence seen of the organisation at this place."""
        return self._after(self._ids[place])

    def missed(self) -> list[str]:
        """The events that are there and were passed by."""
        self._look()
        with self._database.reading() as tx:
            rows = tx.execute(select(event_rows.c.organisation_id, event_rows.c.sequence)).all()
        seen = {(each, number) for each, numbers in self._seen.items() for number in numbers}
        return [f"{each} {number}" for each, number in sorted(set(map(tuple, rows)) - seen)]

    def go_on(self) -> None:
        """Ask for what came after the last one."""
        while not self.over.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        for each in self._ids:
            try:
                with self._database.reading() as tx:
                    found = list(events.read(tx.scope(each), after=self._after(each)))
            except DatabaseUnavailableError:
                continue
            self._seen[each] += [event.sequence for event in found]

    def _after(self, organisation_id: str) -> int:
        seen = self._seen[organisation_id]
        return seen[-1] if seen else 0
