"""One element of a provider's list becomes a record, or is set aside with a sentence."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from config.shapes import ID_LIMIT, NUMERIC_DIGITS, TEXT_LIMIT, ColumnKind
from connectors.dates import read_date, read_time
from connectors.endpoints import OUTER, Endpoint, Field
from connectors.exact import Element, NotStorableError, Number, content_hash
from connectors.pages import Record, Reject


def read_record(endpoint: Endpoint, element: Element) -> Record | Reject:
    """The record as the store keeps it.

    It is tolerant: an odd value leaves its column empty, an unknown word is kept as it is. Only what has no
    place in a database, or no identity, or no readable version, is a Reject.
    """
    content = endpoint.named(element.value) if isinstance(element.value, dict) else {}
    identity = content.get(endpoint.id)
    columns = {field.name: _column(element, content, field) for field in endpoint.fields}
    try:
        _check_text(element)
        # What is taken from the outer record counts too: a record that moved has changed.
        content_digest = content_hash([element.value, columns] if endpoint.inside else element.value)
        record_id = _check_identity(endpoint, identity)
        modified_at = _modified_at(endpoint, content)
    except NotStorableError as error:
        return _reject(element, identity, str(error))
    return Record(
        id=record_id,
        modified_at=modified_at,
        archived=_is_archived(endpoint, content),
        raw=element.raw,
        hash=content_digest,
        columns=columns,
    )


def newest_of_each(records: Iterable[Record]) -> tuple[Record, ...]:
    """One record for each id, the newest, and of equally new ones the last."""
    kept: dict[str, Record] = {}
    for record in records:
        known = kept.get(record.id)
        if known is None or not _is_newer(known, record):
            kept[record.id] = record
    return tuple(kept.values())


def _is_newer(record: Record, other: Record) -> bool:
    if record.modified_at is None or other.modified_at is None:
        return False
    return record.modified_at > other.modified_at


def _check_text(element: Element) -> None:
    if element.problem:
        raise NotStorableError(element.problem)


def _check_identity(endpoint: Endpoint, identity: Any) -> str:
    if not isinstance(identity, str) or not identity.strip():
        raise NotStorableError(f"it has no {endpoint.id}")
    if len(identity) > ID_LIMIT:
        raise NotStorableError(f"its {endpoint.id} is longer than {ID_LIMIT} characters")
    return identity


def _modified_at(endpoint: Endpoint, content: Mapping[str, Any]) -> datetime | None:
    # At the record's top level only: in a nested object the same name may hold local time labelled UTC.
    if endpoint.modified is None:
        return None
    written = content.get(endpoint.modified)
    moment = read_time(written) if isinstance(written, str) else None
    if moment is None:
        raise NotStorableError(f"its {endpoint.modified} cannot be read as a time")
    return moment


def _is_archived(endpoint: Endpoint, content: Mapping[str, Any]) -> bool:
    statuses = endpoint.statuses
    if statuses is None:
        return False
    word = content.get(statuses.field)
    return isinstance(word, str) and word.upper() in {known.upper() for known in statuses.archived}


def whole_number(content: Any) -> int | None:
    """A whole number of up to 64 bits, as a JSON value of the provider's."""
    if not isinstance(content, Number) or not _WHOLE.fullmatch(content.text):
        return None
    whole = int(content.text)
    return whole if -(2**63) <= whole < 2**63 else None


def _column(element: Element, content: Mapping[str, Any], field: Field) -> Any:
    read = _READERS[field.kind]
    if field.path[0] != OUTER:
        return read(_inside(content, field.path))
    value = read(_inside(element.outer, field.path[1:]))
    # The outer record is judged in a list of its own; here its flaw costs a column and no more.
    return None if isinstance(value, str) and not _is_writable(value) else value


def _inside(content: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _text(content: Any) -> str | None:
    if isinstance(content, Number):
        return content.text
    return content if isinstance(content, str) and len(content) <= TEXT_LIMIT else None


def _boolean(content: Any) -> bool | None:
    return content if isinstance(content, bool) else None


def _numeric(content: Any) -> str | None:
    return content.text if isinstance(content, Number) and _PLAIN.fullmatch(content.text) else None


def _timestamp(content: Any) -> str | None:
    moment = read_time(content) if isinstance(content, str) else None
    return moment.isoformat() if moment else None


def _date(content: Any) -> str | None:
    day = read_date(content) if isinstance(content, str) else None
    return day.isoformat() if day else None


# No exponent, and within NUMERIC_DIGITS together.
_PLAIN = re.compile(rf"-?\d{{1,{NUMERIC_DIGITS // 2}}}(?:\.\d{{1,{NUMERIC_DIGITS // 2}}})?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)

_READERS: dict[ColumnKind, Callable[[Any], Any]] = {
    "text": _text,
    "boolean": _boolean,
    "numeric": _numeric,
    "integer": whole_number,
    "timestamp": _timestamp,
    "date": _date,
}


def _reject(element: Element, identity: Any, why: str) -> Reject:
    return Reject(
        id=_writable(identity)[:ID_LIMIT] if isinstance(identity, str) else None,
        raw=_writable(element.raw),
        why=why,
    )


def _writable(text: str) -> str:
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()


def _is_writable(text: str) -> bool:
    return _writable(text) == text
