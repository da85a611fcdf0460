"""The spellings of time in the providers' answers."""

import re
from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_time(text: str) -> datetime | None:
    """A moment in UTC, or None when the text is none that a calendar can hold.

    `/Date(1789344000000+0000)/`, with or without an offset, negative before 1970, counts milliseconds since
    the epoch in UTC whatever its offset says. ISO 8601 without a zone is UTC.
    """
    try:
        if match := _MILLISECONDS.fullmatch(text):
            return EPOCH + timedelta(milliseconds=int(match[1]))
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def read_date(text: str) -> date | None:
    """A calendar date, which the provider writes as midnight UTC: a local zone would shift it by a day."""
    moment = read_time(text)
    return moment.date() if moment else None


def since_header(moment: datetime) -> str:
    """The moment as If-Modified-Since wants it: UTC, whole seconds, no zone, never a locale's spelling."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


# Twenty digits hold every date there is, and keep int() away from megabytes of digits.
_MILLISECONDS = re.compile(r"/Date\((-?\d{1,20})(?:[+-]\d{4})?\)/", re.ASCII)
