"""What is said to Dext and what it says, apart from the records of its lists."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

KEY_LIMIT = 128
"""Characters in an Idempotency-Key at most."""

Kind = Literal["categories", "suppliers", "customers", "tax_rates", "tracking", "bank_accounts", "projects"]
Mode = Literal["upsert", "replace"]
Result = Literal["received", "approved", "rejected", "failed"]


@dataclass(frozen=True)
class DextAccount:
    """The Dext account that a grant reaches; `id` is what a reconnection has to show again."""

    id: str
    name: str
    base_currency: str | None
    status: str | None
    expires_at: datetime | None
    features: Mapping[str, bool | str | None]
    """What it offers; None where Dext does not say."""

    def offers(self, feature: str) -> bool | None:
        """Whether a feature is there; None where Dext does not say, so that a person has to."""
        value = self.features.get(feature)
        return value if isinstance(value, bool) else None


@dataclass(frozen=True)
class ListEntry:
    """One entry of a list as Dext is to have it; `external_id` is ours: `xero:tax:INPUT2`."""

    external_id: str
    name: str
    code: str | None = None
    active: bool = True
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RejectedEntry:
    """An entry that Dext did not take."""

    external_id: str
    code: str
    message: str


@dataclass(frozen=True)
class ListPushJob:
    """A list on its way into Dext: `queued`, then `succeeded`, `partly_failed` or `failed`."""

    id: str
    status: str
    accepted: int | None = None
    rejected: tuple[RejectedEntry, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.status in {"succeeded", "partly_failed", "failed"}


@dataclass(frozen=True)
class Outcome:
    """What became of a published item with us and with Xero."""

    publication_id: str
    result: Result
    at: datetime
    code: str | None = None
    message: str | None = None
    xero: Mapping[str, str] = field(default_factory=dict)
    """`type`, `id`, `number`, `status`, `url` of the document at Xero, once there is one."""

    def key(self, item_id: str) -> str:
        """The Idempotency-Key: the same outcome told twice is told once."""
        key = f"dext:{item_id}:{self.publication_id}:{self.result}"
        return key if len(key) <= KEY_LIMIT else f"dext:{hashlib.sha256(key.encode()).hexdigest()}"


@dataclass(frozen=True)
class DextFile:
    """A file that was read whole."""

    content_type: str
    size: int
    sha256: str
