"""Says an answer in XML: what Xero sends to whoever forgets to ask for JSON."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

import orjson

from sandbox.answers import Answer

_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What XML 1.0 cannot hold, however it is written.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufdd0\ufffe\uffff]")


def wants_json(accept: str | None) -> bool:
    """Whether the client named JSON; `*/*` and nothing at all get the default, which is XML."""
    return "json" in (accept or "").lower()


def as_xml(answer: Answer) -> Answer:
    """The same answer in XML."""
    told = orjson.loads(answer.body.replace(b"\\ud800", b""))
    body = f'<?xml version="1.0" encoding="utf-8"?><Response>{_inside(told)}</Response>'
    return Answer(answer.status, body.encode(), "text/xml; charset=utf-8", answer.headers, answer.rows)


def _inside(fields: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{_value(name, value)}</{name}>" for name, value in fields.items())


def _value(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return _inside(value)
    if isinstance(value, list):
        one = name.removesuffix("es") if name == "Addresses" else name.removesuffix("s")
        return "".join(f"<{one}>{_value(one, each)}</{one}>" for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    if date := _DATE.fullmatch(text):
        return (_EPOCH + timedelta(milliseconds=int(date[1]))).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return escape(_FORBIDDEN.sub("", text))
