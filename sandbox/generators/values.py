"""Money, dates and ids as Xero spells them."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

DAY_MS = 86_400_000


def money(cents: int) -> Decimal:
    """An amount with both its decimals: 8900 → 89.00."""
    return Decimal(cents).scaleb(-2)


def quantity(ten_thousandths: int) -> Decimal:
    """A line's quantity: 10000 → 1.0000."""
    return Decimal(ten_thousandths).scaleb(-4)


def rate(millionths: int) -> Decimal:
    """A currency rate: 1000000 → 1.000000."""
    return Decimal(millionths).scaleb(-6)


def midnight(milliseconds: int) -> int:
    """The UTC midnight before a time: documents carry calendar dates."""
    return milliseconds - milliseconds % DAY_MS


@lru_cache(maxsize=4096)
def date_string(milliseconds: int) -> str:
    """A calendar date as `DateString` has it: 2026-09-14T00:00:00."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def stamp_string(milliseconds: int) -> str:
    """`UpdatedDateUTCString`: ISO, without the milliseconds."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def guid(source: random.Random) -> str:
    """A version 4 identifier."""
    digits = f"{source.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
