"""How each kind of document lets its status be changed, as data, and Xero's words where it does not.

From a statement of Xero's support (waynerobinson/xeroizer#48, 2012) and recordings of live refusals; what
quotes let happen is nobody's statement, and the likely.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

APPROVED = "AUTHORISED"

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Rules:
    """One list's rules: from each status, the statuses that may be asked for; one's own is no change."""

    moves: Mapping[str, frozenset[str]]
    wrong_status: str
    dead: Mapping[str, str] = field(default_factory=dict)  # a status of its own words for every refusal
    applied: tuple[str, ...] = ()  # fields that hold what is allocated; while one does, no void
    has_errors: bool = True  # its answers tell HasErrors


def _moves(**moves: str) -> Mapping[str, frozenset[str]]:
    return {status: frozenset((status, *targets.split())) for status, targets in moves.items()}


_INVOICE_MOVES = _moves(
    DRAFT="SUBMITTED AUTHORISED DELETED", SUBMITTED="DRAFT AUTHORISED DELETED", AUTHORISED="VOIDED"
)

RULES: Mapping[str, Rules] = {
    "Invoices": Rules(
        moves=_INVOICE_MOVES,
        wrong_status="Invoice not of valid status for modification",
        applied=("Payments", "CreditNotes", "Prepayments", "Overpayments"),
    ),
    "CreditNotes": Rules(
        moves=_INVOICE_MOVES,
        wrong_status="Credit note not of valid status for modification",
        applied=("Payments", "Allocations"),
    ),
    # Never back to a draft.
    "PurchaseOrders": Rules(
        moves=_moves(
            DRAFT="SUBMITTED AUTHORISED DELETED",
            SUBMITTED="AUTHORISED DELETED",
            AUTHORISED="BILLED DELETED",
            BILLED="DELETED",
        ),
        wrong_status="PurchaseOrder status change is invalid",
        dead={"DELETED": "Deleted PurchaseOrders cannot be updated"},
    ),
    "Quotes": Rules(
        moves=_moves(
            DRAFT="SENT DELETED",
            SENT="DRAFT ACCEPTED DECLINED DELETED",
            ACCEPTED="DRAFT SENT INVOICED DELETED",
            DECLINED="DRAFT SENT DELETED",
        ),
        wrong_status="Quote status change is invalid",
        has_errors=False,
    ),
}

ALLOCATED = (
    "The status VOIDED cannot be applied to the invoice because it has payments or credit notes allocated"
    " to it."
)
ARCHIVED_CONTACT = "The contact has been archived"
ARCHIVED_ACCOUNT = "Account code '{}' has been archived, or deleted"
LOCKED = "The document date cannot be before the period lock date, currently set at {}"
PLAN_LIMIT = "You have reached the limit of invoices you can approve"


def why_not(rules: Rules, before: Fields, wanted: str) -> str | None:
    """Xero's words when a document cannot go to this status, as far as the document itself tells."""
    status = before["Status"]
    if status in rules.dead:
        return rules.dead[status]
    if wanted not in rules.moves.get(status, frozenset()):
        return rules.wrong_status
    if wanted == "VOIDED" and any(before.get(name) for name in rules.applied):
        return ALLOCATED
    return None
