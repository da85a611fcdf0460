"""People who approve bills meanwhile: each is applied once in Xero, or somebody else was there before."""

import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from store import decisions, organisations
from store.database import DatabaseUnavailableError
from store.decisions import DecisionLine
from store.models import decisions as decision_rows
from sync.judging import FORGOTTEN
from tasks import deciding
from tasks.enqueue import SyncRefusedError
from tests.faults.house import House, until
from tests.faults.meanwhile import Meanwhile

CONTACTS, INVOICES = "xero.contacts", "xero.invoices"
APPROVED = {"AUTHORISED": 1}
FINISHED_WITHIN = 120.0


@dataclass
class Bill:
    """Handed in at Xero, and perhaps decided about."""

    slug: str
    id: str
    supplier: str


class Approvers(Meanwhile):
    """Hand bills in and approve them until they are told to stop; a door that fails is tried again."""

    def __init__(self, house: House, seed: int, *, pause: float = 0.5) -> None:
        super().__init__()
        self._house = house
        self._source = random.Random(f"approvers:{seed}")
        self._pause = pause
        self._waiting: list[Bill] = []
        self.decided: list[Bill] = []
        self.outcomes: Counter[str] = Counter()

    def await_finished(self) -> None:
        """Come back when every decision has come to its end, its note included.

        A conflict or a refusal is one only once nothing of ours can be under way: minutes pass at once here.
        """
        self._house.let_pass(FORGOTTEN)
        until(lambda: self._left() == 0, FINISHED_WITHIN, "every decision has ended")

    def flaws(self, edited: Collection[str]) -> list[str]:
        """What was not applied exactly once, though nobody else edited it: a sentence for each."""
        lines = {line.document_id: line for line in self._lines()}
        counted = [self._house.sandbox.writes(each) for each in self._house.engine.tenants.values()]
        applied = {name: times for told in counted for name, times in told["applied"].items()}
        notes = {name: texts for told in counted for name, texts in told["notes"].items()}
        self.outcomes = Counter(_outcome(lines.get(bill.id)) for bill in self.decided)
        found = []
        for bill in self.decided:
            came = _came(lines.get(bill.id), applied.get(bill.id, {}), len(notes.get(bill.id, [])))
            wrong = came != ("confirmed", APPROVED, 1)
            if wrong and not _is_real(came, bill, edited):
                found.append(f"bill {bill.id} of {bill.slug}: {came}")
        return found

    def told(self) -> str:
        """What became of them, in a line."""
        outcomes = ", ".join(f"{number} {outcome}" for outcome, number in sorted(self.outcomes.items()))
        return f"{len(self.decided)} decisions: {outcomes}"

    def go_on(self) -> None:
        """Hand in, and approve what was read."""
        while not self.over.wait(self._source.uniform(0, 2 * self._pause)):
            self._hand_in()
            self._waiting = [bill for bill in self._waiting if not self._decide(bill)]

    def _hand_in(self) -> None:
        slug = self._source.choice(self._house.slugs)
        tenant, sandbox = self._house.engine.tenants[slug], self._house.sandbox
        # One for each: whoever archives it meanwhile spoils one approval, not all that follow.
        [supplier] = sandbox.edit(tenant, CONTACTS, "add", count=1, fields={"ContactStatus": "ACTIVE"})
        fields: dict[str, Any] = {"Type": "ACCPAY", "Status": "SUBMITTED", "Payments": [], "CreditNotes": []}
        fields |= {"AmountPaid": 0, "Contact": {"ContactID": supplier, "Name": "Supplier"}}
        [made] = sandbox.edit(tenant, INVOICES, "add", count=1, fields=fields)
        self._waiting.append(Bill(slug, made, supplier))

    def _decide(self, bill: Bill) -> bool:
        """Whether it is on record; else it was not read yet, or the door was shut."""
        wish = deciding.wish("bill", bill.id, "approve", by="soak", idempotency_key=bill.id, note="ok")
        try:
            deciding.decide(self._house.engine.app, bill.slug, wish)
        except (SyncRefusedError, DatabaseUnavailableError):
            return False
        self.decided.append(bill)
        return True

    def _left(self) -> int:
        query = select(func.count()).where(decision_rows.c.ended_at.is_(None))
        try:
            with self._house.services.database.reading() as tx:
                return int(tx.execute(query).scalar_one())
        except DatabaseUnavailableError:  # a connection from before the last fault
            return -1

    def _lines(self) -> list[DecisionLine]:
        with self._house.services.database.reading() as tx:
            scopes = [tx.scope(organisations.find(tx, slug).id) for slug in self._house.slugs]
            return [line for scope in scopes for line in decisions.lines(scope, 10**6)]


def _outcome(line: DecisionLine | None) -> str:
    """In a word; of a refusal its reason."""
    if line is None:
        return "not on record"
    return str(line.error_code) if line.outcome == "refused" else line.outcome


def _came(line: DecisionLine | None, applied: dict[str, int], notes: int) -> tuple[str, dict[str, int], int]:
    return (_outcome(line), applied, notes)


def _is_real(came: tuple[str, dict[str, int], int], bill: Bill, edited: Collection[str]) -> bool:
    """Whether somebody else's edit explains it: of the bill, or of the supplier, who may be archived now."""
    outcome, applied, notes = came
    once_at_most = sum(applied.values()) <= 1 and notes <= 1
    reasons = {"conflict": bill.id, "confirmed": bill.id, "contact_archived": bill.supplier}
    return once_at_most and reasons.get(outcome) in edited
