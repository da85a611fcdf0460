"""What a comparison of tax rates can find, as data: what to do about it, and whether it stops a bill."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Verdict:
    """`blocks`: Xero would refuse a bill with it, or take it for another sum; all else only warns."""

    blocks: bool
    sentence: str


_SYNC = "Press Sync now on dext.list_push"

# The gravest first: it stands for the others where there is room for one.
VERDICTS: Mapping[str, Verdict] = MappingProxyType(
    {
        "missing_in_xero": Verdict(
            True, "Xero has no such tax rate. Choose another one in Dext, or create it in Xero and sync."
        ),
        "inactive_in_xero": Verdict(
            True, "Xero no longer uses this tax rate. Choose another one in Dext, or restore it in Xero."
        ),
        "rate_differs": Verdict(
            True, f"Dext has another rate than Xero. {_SYNC}, and choose it anew in Dext."
        ),
        "tax_without_rate": Verdict(
            True,
            "There is tax but no tax rate, and the account's own rate is none or 0 %: a person has to say"
            " which rate it is. Turn on Use tax list in Dext and choose one there.",
        ),
        "not_for_account": Verdict(
            True,
            "Xero does not allow this tax rate with this account. Choose another account or rate in Dext.",
        ),
        "missing_in_dext": Verdict(False, f"Dext does not offer this tax rate. {_SYNC}."),
        "name_differs": Verdict(False, f"Dext calls it otherwise than Xero. {_SYNC}."),
        "not_for_expenses": Verdict(
            False,
            "Xero does not allow this tax rate on expenses: a bill with an expense account cannot have it.",
        ),
        "no_rate": Verdict(False, "There is no tax rate in Dext: the account's own rate in Xero is taken."),
        "match": Verdict(False, ""),
    }
)
_RANK = {name: place for place, name in enumerate(VERDICTS)}


def ordered(found: Iterable[str]) -> tuple[str, ...]:
    """What was found, the gravest first; `match` when it is nothing."""
    return tuple(sorted(set(found), key=_RANK.__getitem__)) or ("match",)


def blocks(found: Iterable[str]) -> bool:
    """Whether any of it stops a bill."""
    return any(VERDICTS[name].blocks for name in found)
