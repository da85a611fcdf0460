"""What Xero's words for a refusal mean: a plain sentence, and who mends it, as a table.

Collected from the published help pages of products that approve documents in Xero
(support.approvalmax.com, "Business validation errors: reasons for rejection").
"""

from dataclasses import dataclass

from connectors.errors import ConnectorError, InvalidError


@dataclass(frozen=True)
class Refusal:
    """Why Xero does not do what was decided. It stays so until `mended_by` acts."""

    code: str
    sentence: str
    mended_by: str


@dataclass(frozen=True)
class _Row:
    words: tuple[str, ...]  # all of them stand in what Xero says
    refusal: Refusal


def _row(words: str, code: str, sentence: str, mended_by: str) -> _Row:
    return _Row(tuple(words.split(" … ")), Refusal(code, sentence, mended_by))


_PREFIX = "A validation exception occurred"  # before the words that count, in every such answer
_AGAIN = "Then decide again."
# The first row whose words all occur counts; whether small or capital does not matter.
_TABLE = (
    _row(
        "account code or id must be specified",
        "account_missing",
        f"A line of the document has no account. Add it in Xero. {_AGAIN}",
        "whoever made the document",
    ),
    _row(
        "account code … not a valid code for this document",
        "account_unfit",
        f"A line's account does not fit this kind of document. Change one of them in Xero. {_AGAIN}",
        "an administrator in Xero",
    ),
    _row(
        "account … archived",
        "account_archived",
        f"A line's account was archived or deleted in Xero. Restore it, or choose another. {_AGAIN}",
        "an administrator in Xero",
    ),
    _row(
        "item code … not valid",
        "item_gone",
        f"An item on the document is not in Xero any more. Change the line. {_AGAIN}",
        "whoever made the document",
    ),
    _row(
        "tracking",
        "tracking_unknown",
        f"A tracking option on the document was changed or archived. Choose it anew in Xero. {_AGAIN}",
        "whoever made the document",
    ),
    _row(
        "contact … archived",
        "contact_archived",
        f"The contact was archived, or merged into another. Restore it, or choose the active one. {_AGAIN}",
        "an administrator in Xero",
    ),
    _row(
        "reached the limit of invoices you can approve",
        "plan_limit",
        f"The Xero plan lets no more documents be approved this month. Upgrade it, or wait. {_AGAIN}",
        "the subscriber of the Xero plan",
    ),
    _row(
        "lock date",
        "locked",
        f"The document's date lies in a locked period. Move the lock date, or the document's. {_AGAIN}",
        "an administrator in Xero",
    ),
    _row(
        "currency",
        "currency_missing",
        f"The organisation does not have the document's currency. Add it in Xero. {_AGAIN}",
        "an administrator in Xero",
    ),
    _row(
        "payments or credit notes allocated",
        "allocated",
        f"Something is paid or credited on the document. Take that off in Xero. {_AGAIN}",
        "an administrator in Xero",
    ),
    _row(
        "payment or credit note allocated",
        "allocated",
        f"Something is paid or credited on the document. Take that off in Xero. {_AGAIN}",
        "an administrator in Xero",
    ),
    _row(
        "not of valid status",
        "wrong_status",
        "Xero does not let the document go from its present status to the one wanted. Look at it in Xero.",
        "the approver",
    ),
    _row(
        "status change is invalid",
        "wrong_status",
        "Xero does not let the document go from its present status to the one wanted. Look at it in Xero.",
        "the approver",
    ),
    _row(
        "cannot be updated",
        "wrong_status",
        "Xero does not let the document be changed any more. Look at it in Xero.",
        "the approver",
    ),
)
_NOT_TAKEN = Refusal(
    "request_refused",
    "Xero does not take the request as such; its own words say why. Please report this.",
    "the makers of Ledgertide",
)
_OTHER = Refusal(
    "refused",
    f"Xero does not accept it; its own words say why. Mend the document there. {_AGAIN}",
    "the approver",
)


def explain(error: ConnectorError) -> tuple[Refusal, str]:
    """What a refusal means, and Xero's own words for it."""
    words = error.provider_words.removeprefix(_PREFIX).strip()
    if not isinstance(error, InvalidError):
        return _NOT_TAKEN, words
    said = words.lower()
    found = next((row.refusal for row in _TABLE if all(part in said for part in row.words)), _OTHER)
    return found, words
