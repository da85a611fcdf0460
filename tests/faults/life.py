"""What people do meanwhile: they edit at the provider and press here, and no press may be lost."""

import contextlib
import random
from collections import Counter
from datetime import timedelta

from sqlalchemy import update

from sandbox.testing import SandboxError
from store.database import DatabaseUnavailableError
from store.models import grants
from tests.faults.house import RESOURCES, House
from tests.faults.judge import WHOLE
from tests.faults.meanwhile import Meanwhile

ACTIONS = {
    "xero.contacts": ("edit", "edit", "add", "archive", "merge", "silent", "remove"),
    "xero.invoices": ("edit", "edit", "add", "void", "silent", "remove"),
    "xero.quotes": ("edit", "add", "void", "silent", "remove"),
    "xero.tax_rates": ("edit", "add", "silent"),
    "xero.manual_journals": ("edit", "add", "void", "remove"),
}
# More would be a vanish that waits for a person.
REMOVED_AT_MOST = 3


class Life(Meanwhile):
    """Edits and presses until it is told to stop; every press that was taken is on `taken`."""

    def __init__(self, house: House, seed: int, *, pause: float = 0.3, full: float = 0.15) -> None:
        super().__init__()
        self._house = house
        self._source = random.Random(f"life:{seed}")
        self._pause = pause
        self._full = full  # this share of the presses asks for a full resync
        self._removed: Counter[tuple[str, str]] = Counter()
        self.edits = 0
        self.edited: set[str] = set()
        self.untold: set[str] = set()
        """Of them those that no ordinary read can show: removed, or edited without a new stamp and not since,
        in a list that is not read whole each time."""
        self.taken: list[str] = []
        self.refused = 0

    def go_on(self) -> None:
        """Edit, press, and let tokens end."""
        while not self.over.wait(self._source.uniform(0, 2 * self._pause)):
            self._edit()
            if self._source.random() < 0.5:
                self._press()
            if self._source.random() < 0.3:
                self._let_a_token_end()

    def _edit(self) -> None:
        slug, resource = self._source.choice(self._house.slugs), self._source.choice(RESOURCES)
        action = self._source.choice(ACTIONS[resource])
        if action == "remove":
            self._removed[slug, resource] += 1
            if self._removed[slug, resource] > REMOVED_AT_MOST:
                action = "edit"
        try:
            edited = self._house.sandbox.edit(self._house.engine.tenants[slug], resource, action, count=1)
        except SandboxError:  # nothing left to archive or void
            return
        self.edited |= set(edited)
        if action == "remove" or (action == "silent" and resource not in WHOLE):
            self.untold |= set(edited)
        else:
            self.untold -= set(edited)
        self.edits += 1

    def _let_a_token_end(self) -> None:
        """Half an hour has passed for the access tokens: each is refreshed at its next use."""
        with contextlib.suppress(DatabaseUnavailableError), self._house.services.database.transaction() as tx:
            tx.execute(update(grants).values(access_expires_at=tx.now + timedelta(minutes=1)))

    def _press(self) -> None:
        slug, resource = self._source.choice(self._house.slugs), self._source.choice(RESOURCES)
        full = self._source.random() < self._full
        try:
            self.taken.append(self._house.press(slug, resource, full=full).id)
        except DatabaseUnavailableError:
            self.refused += 1  # said so, and nothing is on record
