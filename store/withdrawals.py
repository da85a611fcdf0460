"""Decisions taken back before anything of them went out: then their documents are free to be decided anew."""

from sqlalchemy import and_, update

from store import audit, decisions
from store.database import Transaction
from store.decisions import CannotDecideError
from store.models import decisions as decision_rows
from store.models import steps


def withdraw(tx: Transaction, organisation_id: str, decision_id: str, *, by: str) -> None:
    """Take a decision back; a message that is on its way for it finds nothing to take.

    Raises LookupError when this organisation has no such one, CannotDecideError when it is too late.
    """
    waits = and_(
        decision_rows.c.organisation_id == organisation_id,
        decision_rows.c.id == decision_id,
        decision_rows.c.outcome == "waiting",
        decision_rows.c.state != "running",
    )
    ended = {"state": "done", "not_before": None, "reason": None, "ended_at": tx.now}
    values = ended | {"outcome": "withdrawn", "settled_at": tx.now, "slice": decision_rows.c.slice + 1}
    if not tx.execute(update(decision_rows).where(waits).values(**values)).rowcount:
        line = decisions.line(tx.scope(organisation_id), decision_id)
        raise CannotDecideError(
            f"It is {'at work' if line.outcome == 'waiting' else line.outcome}: only what still waits, and of"
            " which nothing went out, can be withdrawn. Look again in a minute, or decide anew."
        )
    left = and_(steps.c.decision_id == decision_id, steps.c.state == "waiting")
    tx.execute(update(steps).where(left).values(state="skipped", body=None))
    audit.note(tx, actor=by, action="withdrawn", organisation_id=organisation_id, decision_id=decision_id)
