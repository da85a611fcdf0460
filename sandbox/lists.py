"""Answers one question to one list, with the list's own habits."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from sandbox.answers import Answer, bad_request, not_found
from sandbox.endpoints import Endpoint, Paging
from sandbox.records import Record, RecordList
from sandbox.rendering import envelope
from sandbox.where import QueryError, Test, parse_order, parse_where, sort_key, value_at

Reading = Literal["inclusive", "exclusive"]

PROVIDER_NAME = "Sandbox App"
DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 1000


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
    everything: bool = False
    brief: bool = False
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
    paged = endpoint.paging is Paging.PAGED
    try:
        tests = [parse_where(query["where"])] if endpoint.where and query.get("where") else []
        order = parse_order(query["order"]) if query.get("order") else None
    except QueryError as error:
        raise BadQuestionError(bad_request(16, "QueryParseException", str(error))) from error
    tests.extend(_csv(path, query[name]) for name, path in endpoint.filters.items() if query.get(name))
    return Question(
        since_ms=_since(since, reading) if endpoint.since and since else None,
        page=page if endpoint.paging is not Paging.WHOLE else None,
        page_size=_number(query, "pageSize", DEFAULT_PAGE_SIZE) if paged else DEFAULT_PAGE_SIZE,
        everything=endpoint.hidden is not None and query.get(endpoint.hidden.unless, "").lower() == "true",
        brief=paged and (page is None or query.get("summaryOnly", "").lower() == "true"),
        order=order,
        tests=tuple(tests),
    )


def answer_list(records: RecordList, question: Question, now_ms: int, twist: Twist) -> Answer:
    """The rows asked for, in the envelope and in the bytes that Xero would send."""
    endpoint = records.endpoint
    rows = [] if twist.empty else _matching(records, question, filtered=not twist.filter_ignored)
    shown = rows if question.page is None or _is_trapped(endpoint, question) else _cut(rows, question)
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
    if question.page in {None, 1}:
        records.read.clear()
    records.read.update(row.id for row in shown)
    bodies = [row.brief(endpoint) if question.brief else row.wide(endpoint) for row in shown]
    return _answer(head, endpoint, bodies)


def answer_one(records: RecordList, wanted: str, now_ms: int) -> Answer:
    """One record by its id or its number, or the empty 404."""
    endpoint = records.endpoint
    found = records.by_id.get(wanted) or records.by_id.get(wanted.lower())
    if found is None and endpoint.number is not None:
        named = (row for row in records.rows if row.fields.get(endpoint.number) == wanted)
        found = next(named, None)
    if found is None:
        return not_found()
    return _answer(_head(endpoint, now_ms), endpoint, [found.wide(endpoint)])


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
    start = 0
    if filtered and question.since_ms is not None:
        start = records.first_at(question.since_ms)
    rows = records.rows[start:]
    if records.endpoint.hidden is not None and not question.everything:
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


def _cut(rows: list[Record], question: Question) -> list[Record]:
    start = ((question.page or 1) - 1) * question.page_size
    return rows[start : start + question.page_size]


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    largest = LARGEST_PAGE_SIZE if name == "pageSize" else 1_000_000
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= largest:
        return int(text)
    message = f"{name} must be a whole number from 1 to {largest}"
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
