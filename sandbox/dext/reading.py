"""Answers one question to one of Dext's lists: what matches, in order, cut as the account's switch says."""

import base64
import binascii
import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import orjson

from sandbox.answers import Answer
from sandbox.dext.amounts import spelt
from sandbox.dext.kinds import ITEMS
from sandbox.dext.refusals import invalid, problem
from sandbox.dext.switches import Switches
from sandbox.lists import Twist
from sandbox.records import WIDEST, Record, RecordList
from sandbox.rendering import plain, render

STATUSES = ("processing", "to_review", "ready", "publish_failed", "published", "archived", "deleted")

Key = tuple[int, str]

_KEY = attrgetter("key")


@dataclass(frozen=True)
class Question:
    """What a client asks of a list, understood; `asked` names it, so that no cursor serves another."""

    since_ms: float | None
    statuses: frozenset[str] | None
    deleted: bool
    limit: int
    page: int
    after: Key | None
    asked: str


def understand(records: RecordList, query: Mapping[str, str], switches: Switches) -> Question:
    """Read a question; what the list does not know it passes over. Raises RefusedError."""
    filters = ("updated_since", "status", "include_deleted") if records.endpoint.since else ()
    told = {name: query[name] for name in filters if query.get(name)}
    asked = hashlib.sha256(plain([records.endpoint.resource, sorted(told.items())])).hexdigest()[:12]
    cursor = query.get("cursor") if switches.paging == "cursor" else None
    return Question(
        since_ms=moment("updated_since", told["updated_since"]) if "updated_since" in told else None,
        statuses=_statuses(told["status"]) if "status" in told else None,
        deleted=told.get("include_deleted") == "true",
        # More than a page holds is no error: the answer says how much it was cut to.
        limit=min(_number(query, "limit", switches.page_size), switches.page_size),
        page=_number(query, "page", 1),
        after=_place(cursor, asked) if cursor else None,
        asked=asked,
    )


def answer_list(records: RecordList, question: Question, switches: Switches, twist: Twist) -> Answer:
    """The rows asked for and what leads to the next ones."""
    rows = [] if twist.empty else _matching(records, question, filtered=not twist.filter_ignored)
    shown, page = _CUTS[switches.paging](rows, question)
    if twist.left_out:
        shown = shown[: -twist.left_out]
    if twist.wrong_order:
        shown = shown[::-1]
    records.show(shown, WIDEST, afresh=question.after is None and question.page == 1)
    body = b",".join(body_of(records, row, switches) for row in shown)
    return Answer(200, b'{"data":[%s],"page":%s}' % (body, plain(page)), rows=len(shown))


def body_of(records: RecordList, row: Record, switches: Switches) -> bytes:
    """One record's bytes as the account's switches have them."""
    if records.endpoint.resource != ITEMS:
        return records.body(row, WIDEST)
    lines = switches.features["line_items"]
    if lines and switches.amounts == "strings":
        return records.body(row, WIDEST)
    fields = row.fields if lines else {**row.fields, "line_items": []}
    return render(spelt(fields, switches.amounts), compact=True)


def moment(name: str, text: str) -> float:
    """An RFC 3339 time in milliseconds; one without a zone is refused."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise invalid(problem(name, "not_a_time"))
    return at.timestamp() * 1000


def _matching(records: RecordList, question: Question, *, filtered: bool) -> list[Record]:
    rows = [row for row in records.rows if question.deleted or not row.hidden]
    if not filtered:
        return rows
    if question.since_ms is not None:
        rows = [row for row in rows if row.modified_ms >= question.since_ms]
    if question.statuses is not None:
        rows = [row for row in rows if row.fields["status"] in question.statuses]
    return rows


def _by_cursor(rows: list[Record], question: Question) -> tuple[list[Record], dict[str, Any]]:
    """From behind the last one seen: what changes meanwhile moves to the end and is seen there."""
    start = bisect_right(rows, question.after, key=_KEY) if question.after else 0
    shown = rows[start : start + question.limit]
    more = start + len(shown) < len(rows)
    following = _cursor(shown[-1], question.asked) if shown and more else None
    return shown, {"next_cursor": following, "limit": question.limit}


def _by_page(rows: list[Record], question: Question) -> tuple[list[Record], dict[str, Any]]:
    """By number: what changes meanwhile moves the others up, across the edge of the page."""
    start = (question.page - 1) * question.limit
    page = {"next_cursor": None, "page": question.page, "limit": question.limit}
    return rows[start : start + question.limit], page


def _whole(rows: list[Record], _question: Question) -> tuple[list[Record], dict[str, Any]]:
    return rows, {"next_cursor": None, "limit": None}


_CUTS = {"cursor": _by_cursor, "page": _by_page, "none": _whole}


def _cursor(row: Record, asked: str) -> str:
    return base64.urlsafe_b64encode(plain([*row.key, asked])).rstrip(b"=").decode()


def _place(cursor: str, asked: str) -> Key:
    try:
        at, record_id, named = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError):
        raise invalid(problem("cursor", "unknown")) from None
    if named != asked:
        raise invalid(problem("cursor", "of_another_question"))
    return at, record_id


def _statuses(text: str) -> frozenset[str]:
    wanted = frozenset(text.split(","))
    if not wanted <= set(STATUSES):
        raise invalid(problem("status", "unknown"))
    return wanted


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if text.isascii() and text.isdecimal() and 0 < int(text) < 10**6:
        return int(text)
    raise invalid(problem(name, "not_a_number"))
