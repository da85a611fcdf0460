"""Answers one question to one list, with the list's own habits."""

import math
import uuid
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from sandbox.answers import Answer, bad_request, not_found
from sandbox.endpoints import Endpoint, Paging
from sandbox.records import Record, RecordList, View
from sandbox.rendering import envelope
from sandbox.where import QueryError, Test, parse_order, parse_where, sort_key, value_at

Reading = Literal["inclusive", "exclusive"]

PROVIDER_NAME = "Sandbox App"
DEFAULT_PAGE_SIZE = 100

_RANGES = {"page": (1, 1_000_000), "pageSize": (1, 1000), "offset": (0, 2**31 - 1)}


class BadQuestionError(Exception):
    """The list refuses the question; carries the 400 to answer with."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


@dataclass(frozen=True)
class Twist:
    """How an armed fault bends a list's answer."""

    filter_ignored: bool = False
    empty: bool = False
    left_out: int = 0
    wrong_order: bool = False


@dataclass(frozen=True)
class Question:
    """What a client asks of a list, understood."""

    since_ms: int | None = None
    page: int | None = None
    page_size: int = DEFAULT_PAGE_SIZE
    after: int = 0  # the number that offset= names
    view: View = field(default_factory=View)
    order: tuple[str, bool] | None = None
    tests: tuple[Test, ...] = field(default=())


def understand(endpoint: Endpoint, query: Mapping[str, str], since: str | None, reading: Reading) -> Question:
    """Read a question as this endpoint reads it: what it does not know it passes over.

    Raises BadQuestionError for what Xero refuses.
    """
    forced = any(name in query for name in endpoint.forces_paging)
    page = _number(query, "page", 1) if "page" in query or forced else None
    if endpoint.paging is Paging.HUNDREDS:
        page = page or 1
    paged, pageless = endpoint.paging is Paging.PAGED, endpoint.paging in {Paging.WHOLE, Paging.NUMBERED}
    try:
        tests = [parse_where(query["where"])] if endpoint.where and query.get("where") else []
        order = parse_order(query["order"]) if query.get("order") else None
    except QueryError as error:
        raise BadQuestionError(bad_request(16, "QueryParseException", str(error))) from error
    tests.extend(_csv(path, query[name]) for name, path in endpoint.filters.items() if query.get(name))
    return Question(
        since_ms=_since(since, reading) if endpoint.since and since else None,
        page=None if pageless else page,
        page_size=_number(query, "pageSize", DEFAULT_PAGE_SIZE) if paged else DEFAULT_PAGE_SIZE,
        after=_number(query, "offset", 0) if endpoint.paging is Paging.NUMBERED else 0,
        view=View(
            brief=endpoint.paging is Paging.WHOLE
            or (paged and (page is None or _says(query, "summaryOnly"))),
            exact=query.get("unitdp") == "4",
            everything=endpoint.hidden is not None and _says(query, endpoint.hidden.unless),
        ),
        order=order,
        tests=tuple(tests),
    )


def answer_list(records: RecordList, question: Question, now_ms: int, twist: Twist) -> Answer:
    """The rows asked for, in the envelope and in the bytes that Xero would send."""
    endpoint = records.endpoint
    rows = [] if twist.empty else _matching(records, question, filtered=not twist.filter_ignored)
    shown = rows if _is_trapped(endpoint, question) else _cut(rows, endpoint, question)
    if twist.left_out:
        shown = shown[: -twist.left_out]
    if twist.wrong_order:
        shown = shown[::-1]
    head = _head(endpoint, now_ms)
    if endpoint.paging is Paging.PAGED and question.page is not None:
        head["pagination"] = {
            "page": question.page,
            "pageSize": question.page_size,
            "pageCount": math.ceil(len(rows) / question.page_size),
            "itemCount": len(rows),
        }
    bodies = records.show(shown, question.view, afresh=question.page in {None, 1} and question.after == 0)
    return _answer(head, endpoint, bodies)


def answer_one(records: RecordList, wanted: str, query: Mapping[str, str], now_ms: int) -> Answer:
    """One record by its id or its number, hidden or not, with all there is to it; or the empty 404."""
    endpoint = records.endpoint
    if not endpoint.alone:
        return not_found()
    found = records.by_id.get(wanted) or records.by_id.get(wanted.lower())
    if found is None and endpoint.number is not None:
        named = (row for row in records.rows if str(row.fields.get(endpoint.number)) == wanted)
        found = next(named, None)
    if found is None:
        return not_found()
    view = View(exact=query.get("unitdp") == "4")
    return _answer(_head(endpoint, now_ms), endpoint, [records.body(found, view)])


def enclosed(endpoint: Endpoint, bodies: Sequence[bytes], now_ms: int) -> Answer:
    """Records in the envelope of their list, as a write answers."""
    return _answer(_head(endpoint, now_ms), endpoint, bodies)


def _answer(head: dict[str, object], endpoint: Endpoint, bodies: Sequence[bytes]) -> Answer:
    body = envelope(head, endpoint.key, bodies, compact=endpoint.compact)
    return Answer(200, body, headers={"Xero-Correlation-Id": str(head["Id"])}, rows=len(bodies))


def _head(endpoint: Endpoint, now_ms: int) -> dict[str, object]:
    return {
        "Id": str(uuid.uuid4()),
        "Status": "OK",
        "ProviderName": PROVIDER_NAME,
        "DateTimeUTC": f"/Date({now_ms})/",
        **endpoint.root,
    }


def _matching(records: RecordList, question: Question, *, filtered: bool) -> list[Record]:
    rows = records.since(question.since_ms if filtered else None)
    if records.endpoint.hidden is not None and not question.view.everything:
        rows = [row for row in rows if not row.hidden]
    if filtered:
        for test in question.tests:
            rows = [row for row in rows if test(row.fields)]
    if question.order is not None and not _is_trapped(records.endpoint, question):
        _put_in_order(rows, records.endpoint, *question.order)
    return rows


def _put_in_order(rows: list[Record], endpoint: Endpoint, path: str, descending: bool) -> None:
    if path != endpoint.stamp:
        rows.sort(key=lambda row: sort_key(row.fields, path), reverse=descending)
    elif descending:  # ascending they stand already
        rows.reverse()


def _is_trapped(endpoint: Endpoint, question: Question) -> bool:
    return endpoint.order_trap and question.order is not None


def _cut(rows: list[Record], endpoint: Endpoint, question: Question) -> list[Record]:
    if endpoint.paging is Paging.NUMBERED:
        start = bisect_right(rows, question.after, key=lambda row: row.key[0])
    elif question.page is None:
        return rows
    else:
        start = (question.page - 1) * question.page_size
    return rows[start : start + question.page_size]


def _says(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() == "true"


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    least, largest = _RANGES[name]
    if text.isascii() and text.isdecimal() and least <= int(text) <= largest:
        return int(text)
    message = f"{name} must be a whole number from {least} to {largest}"
    raise BadQuestionError(bad_request(10, "ValidationException", message))


def _csv(path: str, text: str) -> Test:
    wanted = {word.strip().strip('"') for word in text.split(",")}
    return lambda fields: value_at(fields, path) in wanted


def _since(text: str, reading: Reading) -> int | None:
    """The first millisecond that is told; a header Xero cannot read is as good as none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
    second = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() // 1)
    # Accurate to the second: read exclusively, everything of the named second is left out.
    return (second + (reading == "exclusive")) * 1000
