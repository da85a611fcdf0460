"""What a provider's webhook brings: one delivery, holding notices of records that changed."""

from dataclasses import dataclass
from datetime import datetime

# Longer than any the providers are known to send; Dext's contract names this number.
LARGEST_BODY = 1024 * 1024
# What a database of ours can hold of a name that the provider gives.
LONGEST_NAME = 255


class SignatureError(Exception):
    """Nobody who knows our key has sent this. No detail: whoever forges learns nothing."""


class NotUnderstoodError(Exception):
    """The signature is right, but the body is nothing we know; the sentence says what is odd."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The provider says that a record changed. It is a reason to read, never the record itself.

    `key` is the same whenever the same notice is delivered again, and never for another one of its tenant.
    """

    tenant_id: str
    resource: str
    key: str
    kind: str
    """The provider's word for what happened."""
    record_id: str | None
    happened_at: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request of the provider's: its notices, and which numbers they have.

    `numbers`: the sequence, as each subscription counts for itself, and the first and the last number in it;
    None where nothing is told.
    """

    numbers: tuple[str, int, int] | None
    notices: tuple[Notice, ...]


def is_name(value: object) -> bool:
    """Whether this can be kept as a name: text of a sane length, of characters that every database takes."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_NAME
        and value.isprintable()  # no NUL, no lone surrogate
    )
