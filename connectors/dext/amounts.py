"""Words and amounts as Dext may write them: as text, as a number, or not at all."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.exact import Number


def amount(value: Any) -> Number | None:
    """The exact amount, digit for digit; None when there is none, or none that anybody can read."""
    text = (word(value) or "").strip()
    if _PLAIN.fullmatch(text):
        return Number(text)
    if not _POWER.fullmatch(text):
        return None
    try:
        return Number(f"{Decimal(text):f}")
    except InvalidOperation:
        return None


def word(value: Any) -> str | None:
    """Text, or a number's digits; None for everything else."""
    if isinstance(value, Number):
        return value.text
    return value if isinstance(value, str) else None


_PLAIN = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
# So short that writing it out stays short, too.
_POWER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?[eE][+-]?\d", re.ASCII)
