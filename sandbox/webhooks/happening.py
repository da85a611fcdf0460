"""Something that happened to a record and that a provider tells of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Happening:
    """Whose record it is, which one, what was done to it, and when (epoch milliseconds)."""

    tenant: str
    resource: str
    action: str
    record_id: str
    at_ms: int
