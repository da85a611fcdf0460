"""Understands the simple part of Xero's `where=` and `order=`: comparisons joined by AND."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Any

Fields = Mapping[str, Any]
Test = Callable[[Fields], bool]

_JOINED = re.compile(r"\s+AND\s+|\s*&&\s*", re.IGNORECASE)
_CLAUSE = re.compile(r"([A-Za-z]+(?:\.[A-Za-z]+)*)\s*(==|!=|>=|<=|>|<)\s*(.+)", re.DOTALL)
_CALL = re.compile(r"(guid|datetime)\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": eq,
    "!=": ne,
    ">=": ge,
    "<=": le,
    ">": gt,
    "<": lt,
}
_WORDS = {"true": True, "false": False, "null": None}


class QueryError(Exception):
    """The expression cannot be understood; the text says which part."""


def parse_where(text: str) -> Test:
    """Turn `Status=="PAID" AND Date>=DateTime(2026,01,01)` into a test of a record's fields."""
    tests = [_clause(clause.strip()) for clause in _JOINED.split(text.strip())]
    return lambda fields: all(test(fields) for test in tests)


def parse_order(text: str) -> tuple[str, bool]:
    """Turn `UpdatedDateUTC DESC` into the field's path and whether it descends."""
    path, _, direction = text.strip().partition(" ")
    if not re.fullmatch(r"[A-Za-z.]+", path) or direction.strip().upper() not in {"", "ASC", "DESC"}:
        raise QueryError(f"Cannot order by {text}")
    return path, direction.strip().upper() == "DESC"


def value_at(fields: Fields, path: str) -> Any:
    """The value at a path such as `Contact.ContactID`, dates as milliseconds, None when absent."""
    value: Any = fields
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str) and (date := _DATE.fullmatch(value)):
        return int(date[1])
    return value


def sort_key(fields: Fields, path: str) -> tuple[int, Any]:
    """Sorts anything: the absent first, then numbers, then texts."""
    value = value_at(fields, path)
    if value is None:
        return 0, 0
    if isinstance(value, int | Decimal):
        return 1, value
    return 2, str(value)


def _clause(text: str) -> Test:
    found = _CLAUSE.fullmatch(text)
    if found is None:
        raise QueryError(f"Cannot understand {text}")
    path, compare, wanted = found[1], _OPERATORS[found[2]], _literal(found[3].strip())

    def test(fields: Fields) -> bool:
        value = value_at(fields, path)
        if value is None or wanted is None or isinstance(value, str) != isinstance(wanted, str):
            return compare is ne if value != wanted else compare is eq
        return compare(value, wanted)

    return test


def _literal(text: str) -> Any:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if call := _CALL.fullmatch(text):
        if call[1].lower() == "guid":
            return call[2].strip().strip('"').lower()
        return _milliseconds(call[2])
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise QueryError(f"Cannot understand {text}") from error


def _milliseconds(text: str) -> int:
    try:
        parts = [int(part) for part in text.split(",")]
        return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]
    except (TypeError, ValueError) as error:
        raise QueryError(f"Cannot understand DateTime({text})") from error
