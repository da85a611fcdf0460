"""One HTTP answer is read as a page of a list, or refused because nobody could read it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.dates import read_time
from connectors.endpoints import Endpoint
from connectors.errors import BrokenAnswerError
from connectors.exact import Element, Number, read_inside, read_object
from connectors.pages import Record, Reject
from connectors.records import newest_of_each, read_record, whole_number
from connectors.sheets import Ask, Pagination, Sheet


@dataclass(frozen=True)
class Reading:
    """What one answer holds: the records to store, and what paging needs to know of its rows."""

    records: tuple[Record, ...]
    rejects: tuple[Reject, ...]
    sheet: Sheet


def read_answer(endpoint: Endpoint, ask: Ask, body: bytes, answered_at: datetime | None) -> Reading:
    """Read the answer to `ask` of the endpoint's list; BrokenAnswerError when it is not what it should be.

    `answered_at` is the provider's own clock; without it the answer's envelope is asked.
    """
    members, elements = open_list(endpoint.root, body, one=ask.id is not None)
    if ask.id is not None and len(elements) > 1:
        # What tells of several tells less of each, and would replace what is stored of them.
        raise BrokenAnswerError(
            "The provider sent a list in place of one record. It is asked again by itself."
        )
    pagination = _pagination(members)
    _check_length(ask.page or 1, len(elements), pagination)
    untold = 0
    if endpoint.inside:
        lists = _lists_inside(elements, endpoint.inside)
        elements, untold = tuple(inner for found in lists for inner in found or ()), lists.count(None)
    return read_elements(
        endpoint,
        elements,
        answered_at=answered_at or _envelope_time(members),
        pagination=pagination,
        untold=untold,
    )


def read_elements(
    endpoint: Endpoint,
    elements: Iterable[Element],
    *,
    answered_at: datetime | None,
    pagination: Pagination | None = None,
    untold: int = 0,
    more: bool | None = None,
) -> Reading:
    """The elements of an answer as records, and what paging needs to know of them."""
    elements = tuple(elements)
    read = [read_record(endpoint, element) for element in elements]
    records = [row for row in read if isinstance(row, Record)]
    return Reading(
        records=newest_of_each(records),
        rejects=tuple(row for row in read if isinstance(row, Reject)),
        sheet=Sheet(
            rows=tuple((row.id or "", row.modified_at if isinstance(row, Record) else None) for row in read),
            pagination=pagination,
            answered_at=answered_at,
            numbers=tuple(_numbers(endpoint, elements)),
            untold=untold,
            more=more,
        ),
    )


def _lists_inside(elements: Iterable[Element], listed: str) -> list[tuple[Element, ...] | None]:
    try:
        return [read_inside(element, listed) for element in elements]
    except ValueError as error:
        raise BrokenAnswerError(
            f"The provider's answer holds no list of {listed} where one belongs. It is asked again by itself."
        ) from error


def _numbers(endpoint: Endpoint, elements: Iterable[Element]) -> Iterator[int]:
    for element in elements if endpoint.number else ():
        number = whole_number(element.value.get(endpoint.number)) if isinstance(element.value, dict) else None
        if number is not None:
            yield number


def open_list(root: str, body: bytes, *, one: bool = False) -> tuple[dict[str, Any], tuple[Element, ...]]:
    """The members of an answer, and the elements of its list; with `one`, of the one object in its place."""
    if not body.strip():
        raise BrokenAnswerError("The provider sent an empty answer. It is asked again by itself.")
    # Bytes that are no UTF-8 become half surrogates: they cost their own record, not the page.
    text = body.decode("utf-8-sig", "surrogateescape")
    try:
        members, elements = read_object(text, root, one=one)
    except (ValueError, RecursionError) as error:
        what = "a web page" if text.lstrip().startswith("<") else "text that is cut off or no JSON"
        raise BrokenAnswerError(
            f"The provider sent {what} in place of {root}. It is asked again by itself.",
            provider_words="" if what != "a web page" else _title(text),
        ) from error
    if elements is None:
        raise BrokenAnswerError(
            f"The provider's answer holds no list of {root}. It is asked again by itself."
        )
    return members, elements


def _pagination(members: dict[str, Any]) -> Pagination | None:
    block = members.get("pagination")
    if block is None:
        return None
    size, count = (_count(block, key) for key in ("pageSize", "itemCount"))
    if size is None or count is None or size == 0:
        raise BrokenAnswerError(
            "The provider announced a length nobody can read. It is asked again by itself."
        )
    return Pagination(page_size=size, item_count=count)


def _count(block: Any, key: str) -> int | None:
    number = block.get(key) if isinstance(block, dict) else None
    digits = number.text if isinstance(number, Number) else ""
    return int(digits) if digits.isdecimal() and len(digits) < 10 else None


def _check_length(page: int, rows: int, pagination: Pagination | None) -> None:
    if pagination is None:
        return
    left = pagination.item_count - (page - 1) * pagination.page_size
    expected = max(0, min(pagination.page_size, left))
    if rows != expected:
        raise BrokenAnswerError(
            f"The provider announced {expected} records for page {page} and sent {rows}."
            " It is asked again by itself."
        )


def _envelope_time(members: dict[str, Any]) -> datetime | None:
    written = members.get("DateTimeUTC")
    return read_time(written) if isinstance(written, str) else None


def _title(text: str) -> str:
    match = _TITLE.search(text)
    return match[1] if match else ""


_TITLE = re.compile(r"<title[^>]*>([^<]{1,300})", re.IGNORECASE)
