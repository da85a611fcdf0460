"""What may be decided about which document, and what each decision comes to at Xero, as data.

The statuses: https://developer.xero.com/documentation/api/accounting/types. From where to where: a statement
of Xero's support and recordings of live refusals; what is not confirmed stands in docs/unconfirmed.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

REJECTED = "Rejected"
"""What a purchase order's reference begins with when it was sent back: its status cannot say so."""
LONGEST_REFERENCE = 255
LONGEST_NOTE = 2_500
LARGEST_FILE = 10 * 2**20
MOST_FILES = 10
OF_FILES = frozenset({"HasAttachments", "Attachments", "UpdatedDateUTC", "UpdatedDateUTCString"})
"""What changes of a document when a file is attached to it, and nothing else does."""


def is_marked(reference: str | None) -> bool:
    """Whether a reference says that the document was sent back."""
    return (reference or "").startswith(REJECTED)


@dataclass(frozen=True)
class Way:
    """What one decision comes to: the status to ask for, and from where."""

    status: str | None
    """None: Xero has no way to say it, but perhaps a mark in the reference."""
    allowed_from: frozenset[str]
    done: frozenset[str]
    """Statuses that show that it is done: the one asked for, and those that only follow from it."""

    def is_shown_by(self, status: str | None, reference: str | None, *, marks: bool) -> bool:
        """Whether a document that is so may be what this left; `marks`: by a mark in its reference, too."""
        is_left = status in self.allowed_from and is_marked(reference)
        return status in self.done or (marks and is_left)


@dataclass(frozen=True)
class Kind:
    """One kind of document that is decided about."""

    name: str
    resource: str
    ways: Mapping[str, Way]
    type: str | None = None
    """Its `Type`, where one list holds two kinds."""


def _way(status: str | None, allowed_from: str, then: str = "") -> Way:
    done = frozenset(then.split()) | ({status} if status else set())
    return Way(status, frozenset(allowed_from.split()), done)


# A draft or a submitted document makes no journals yet; an approved one can only be voided.
_INVOICE = MappingProxyType(
    {
        "approve": _way("AUTHORISED", "DRAFT SUBMITTED", then="PAID"),
        "send_back": _way("DRAFT", "SUBMITTED"),
        "reject": _way("DELETED", "DRAFT SUBMITTED"),
        "void": _way("VOIDED", "AUTHORISED"),
    }
)
# Never back to a draft; and what is voided elsewhere is deleted here, even when it was billed.
_PURCHASE_ORDER = MappingProxyType(
    {
        "approve": _way("AUTHORISED", "DRAFT SUBMITTED", then="BILLED"),
        "send_back": _way(None, "SUBMITTED"),
        "reject": _way("DELETED", "DRAFT SUBMITTED"),
        "void": _way("DELETED", "AUTHORISED BILLED"),
    }
)
# To approve a quote is to let it go to the customer, who then accepts or declines it.
_QUOTE = MappingProxyType(
    {
        "approve": _way("SENT", "DRAFT", then="ACCEPTED INVOICED"),
        "send_back": _way("DRAFT", "SENT"),
        "reject": _way("DELETED", "DRAFT"),
        "void": _way("DELETED", "SENT ACCEPTED DECLINED"),
    }
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("bill", "xero.invoices", _INVOICE, type="ACCPAY"),
            Kind("sales_invoice", "xero.invoices", _INVOICE, type="ACCREC"),
            Kind("credit_note", "xero.credit_notes", _INVOICE),
            Kind("purchase_order", "xero.purchase_orders", _PURCHASE_ORDER),
            Kind("quote", "xero.quotes", _QUOTE),
        )
    }
)
DECISIONS = ("approve", "send_back", "reject", "void")
RESOURCES = frozenset(kind.resource for kind in KINDS.values())
