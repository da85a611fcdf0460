"""Writes JSON the way Xero's servers do: indented with CRLF, `\\/` for a slash, money with its zeros."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import orjson

# orjson refuses lone surrogates, Xero does not: a record that must carry one holds this
# noncharacter instead, and it becomes the escape when the bytes are made.
LONE_SURROGATE = "\ufdd0"

_MARKER = LONE_SURROGATE.encode()
_CRLF = b"\r\n"
_CENT = Decimal("0.01")


def render(fields: Mapping[str, Any], *, compact: bool) -> bytes:
    """One record's bytes, as they stand inside a list.

    The older endpoints indent and escape slashes (all recordings of 2020 do); Quotes, of a newer make,
    do neither.
    """
    if compact:
        return orjson.dumps(fields, default=_number).replace(_MARKER, b"\\ud800")
    text = orjson.dumps(fields, default=_number, option=orjson.OPT_INDENT_2)
    # Raw line ends and raw slashes occur only where they are meant: inside strings JSON escapes the one,
    # and the other may always be escaped.
    return text.replace(b"/", b"\\/").replace(b"\n", b"\r\n    ").replace(_MARKER, b"\\ud800")


def rounded(fields: Any, path: str) -> Any:
    """The same fields with the amounts at a path such as `LineItems.UnitAmount` rounded to cents."""
    if isinstance(fields, list):
        return [rounded(each, path) for each in fields]
    name, _, rest = path.partition(".")
    if not isinstance(fields, Mapping) or name not in fields:
        return fields
    value = fields[name]
    if rest:
        return {**fields, name: rounded(value, rest)}
    return {**fields, name: value.quantize(_CENT, ROUND_HALF_UP)} if isinstance(value, Decimal) else fields


def envelope(head: Mapping[str, Any], key: str, records: Sequence[bytes], *, compact: bool) -> bytes:
    """The whole answer: the head's fields, then the records under their root key."""
    if compact:
        start = orjson.dumps(head)[:-1]
        return b"".join((start, b',"', key.encode(), b'":[', b",".join(records), b"]}"))
    text = orjson.dumps(head, option=orjson.OPT_INDENT_2)[:-2]
    start = text.replace(b"/", b"\\/").replace(b"\n", _CRLF)
    if not records:
        return b"".join((start, b',\r\n  "', key.encode(), b'": []\r\n}'))
    body = b",\r\n    ".join(records)
    return b"".join((start, b',\r\n  "', key.encode(), b'": [\r\n    ', body, b"\r\n  ]\r\n}"))


def plain(fields: Any) -> bytes:
    """Compact JSON for everything that is not a list of records."""
    return orjson.dumps(fields, default=_number)


def _number(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no JSON form here.")
