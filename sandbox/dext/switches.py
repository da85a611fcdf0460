"""The switches of one account: everything of Dext's that nobody knows for certain, to be had either way."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sandbox.asked import Asked, BadControlError

CHOICES = {
    "paging": ("cursor", "page", "none"),
    "amounts": ("strings", "numbers", "nulls", "mixed"),
    "retry_after": ("seconds", "date", "none"),
    "errors": ("status", "errorcode"),
    "files": ("bytes", "link"),
    "refresh_token": ("rotates", "stays"),
    "expires_in": ("told", "absent"),
}

FEATURES: dict[str, Any] = {
    "line_items": True,
    "credit_notes": False,
    "list_push": True,
    "outcome_report": True,
    "tax_list_enabled": None,
    "publish_tax_policy": "dext_decides",
}


@dataclass(frozen=True)
class Switches:
    """How one account behaves; the defaults are the contract's."""

    paging: str = "cursor"
    page_size: int = 100  # the most that one page holds, whatever limit= asks
    amounts: str = "strings"
    retry_after: str = "seconds"
    errors: str = "status"
    files: str = "bytes"
    refresh_token: str = "rotates"  # noqa: S105 - a habit, not a token
    expires_in: str = "told"
    grace_seconds: float = 0.0  # how long a refresh token lives after its use
    job_seconds: float = 0.0  # from a list's arrival to the end of its job
    reject: tuple[str, ...] = ()  # external ids that lists are refused with
    features: dict[str, Any] = field(default_factory=FEATURES.copy)

    def turned(self, wishes: dict[str, Any]) -> "Switches":
        """The same with what is wished; what is not named stays."""
        features = {**self.features, **wishes.get("features", {})}
        return replace(self, **{**wishes, "features": features})

    def told(self) -> dict[str, Any]:
        """For people to read."""
        return asdict(self)


def wishes(asked: Asked) -> dict[str, Any]:
    """The switches that a control request names; raises BadControlError for what is none."""
    given: dict[str, Any] = {name: asked.text(name, among) for name, among in CHOICES.items()}
    given |= {name: asked.number(name) for name in ("grace_seconds", "job_seconds")}
    given["page_size"] = asked.whole("page_size", least=1)
    reject = asked.texts("reject")
    given["reject"] = tuple(reject) if reject is not None else None
    given["features"] = asked.object("features")
    if unknown := sorted(set(given["features"] or {}) - set(FEATURES)):
        raise BadControlError(f"There is no feature {unknown[0]}.")
    return {name: value for name, value in given.items() if value is not None}
