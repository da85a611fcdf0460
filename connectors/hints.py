"""What an answer tells besides its records: the calls left, when to come back, its time, its own words."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.transport import Answer
from limiter.limiter import Remaining

PREFIX = 16 * 2**10
"""Bytes of a refusal that are looked at."""
LONGEST_WAIT = timedelta(days=2)
"""A Retry-After beyond this is taken for this: a day's limit asks for 24 hours at most."""


def remaining(answer: Answer) -> Remaining:
    """The calls left as Xero's headers tell; they come with refusals too."""
    return Remaining(
        minute=_count(answer, "X-MinLimit-Remaining"),
        day=_count(answer, "X-DayLimit-Remaining"),
        app_minute=_count(answer, "X-AppMinLimit-Remaining"),
    )


def remaining_of_the_minute(answer: Answer) -> Remaining:
    """The calls left as Dext's headers tell: of its minute alone."""
    return Remaining(minute=_count(answer, "X-RateLimit-Remaining"))


def problem(answer: Answer) -> str:
    """Which limit a 429 names, in lower case; empty when it names none."""
    return answer.headers.get("X-Rate-Limit-Problem", "").strip().lower()


def retry_after(answer: Answer) -> timedelta | None:
    """How long to wait, as seconds or until a date."""
    seconds = _count(answer, "Retry-After")
    if seconds is not None:
        return min(timedelta(seconds=seconds), LONGEST_WAIT)
    until, now = _date(answer.headers.get("Retry-After")), answered_at(answer)
    return min(max(until - now, timedelta(0)), LONGEST_WAIT) if until and now else None


def answered_at(answer: Answer) -> datetime | None:
    """The provider's clock when it answered, in whole seconds."""
    return _date(answer.headers.get("Date"))


def head(answer: Answer) -> str:
    """The beginning of the answer, as text."""
    return answer.body[:PREFIX].decode("utf-8", "replace")


def words(answer: Answer) -> str:
    """The provider's own words for a refusal: from its JSON, its page's title, or its plain text."""
    text = head(answer)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        title = _TITLE.search(text)
        return title[1] if title else _TAG.sub(" ", text)
    return " ".join(dict.fromkeys(_messages(content)))


def fields(answer: Answer) -> tuple[tuple[str, str], ...]:
    """The parts of what we sent that a refusal finds wrong: where each stands, and the code of its flaw."""
    try:
        error = json.loads(head(answer))["error"]
        return tuple((str(flaw["path"]), str(flaw["code"])) for flaw in error["fields"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return ()


def _messages(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    if not isinstance(content, dict):
        return
    for key in ("Title", "Message", "Detail", "message", "errormessage", "error", "error_description"):
        yield from _messages(content.get(key))
    for listed in ("Elements", "ValidationErrors", "errors"):
        for part in content[listed] if isinstance(content.get(listed), list) else ():
            yield from _messages(part)


def _count(answer: Answer, header: str) -> int | None:
    digits = answer.headers.get(header, "").strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_TITLE = re.compile(r"<title[^>]*>([^<]+)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
