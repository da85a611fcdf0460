"""The shape of a stored record: which typed columns stand beside its JSON."""

from dataclasses import dataclass
from typing import Literal

ColumnKind = Literal["text", "integer", "numeric", "boolean", "timestamp", "date"]

# What a store must be able to take without a look at the value: connectors keep to these.
ID_LIMIT = 100
"""Characters in a provider's id at most; Xero's are GUIDs (36) and short codes."""
TEXT_LIMIT = 500
"""Characters in a text column at most, so that any of them can carry an index (PostgreSQL: 2,704 bytes)."""
NUMERIC_DIGITS = 38
"""Digits in a numeric column at most, half of them before the point, half after it."""


@dataclass(frozen=True)
class Column:
    """One typed column people filter and join by; the whole record stands in its JSON anyway.

    A record brings JSON values: numeric as text, digit for digit; a timestamp as ISO 8601 with `+00:00`;
    a date as `YYYY-MM-DD`; an integer within 64 bits. Every column may be None.
    """

    name: str
    kind: ColumnKind


@dataclass(frozen=True)
class Shape:
    """One resource's table: its name, its typed columns, and what its lists can tell."""

    resource: str
    """`provider.plural`: `xero.contacts`."""
    table: str
    """`xero_contacts`."""
    columns: tuple[Column, ...]
    timed: bool
    """Each record carries the time it was last modified: the version rule compares it."""
    whole: bool
    """Every read is a full read, because the list cannot be asked for changes since a time."""
    reference: bool
    """Reference data (2 h) or documents (1 h)."""
    off: bool = False
    """Its feeds are made switched off, until somebody wants them."""
