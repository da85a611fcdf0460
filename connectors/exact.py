"""JSON read without losing a digit: each element keeps its exact text, each number its digits."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# PostgreSQL keeps a JSON number as numeric: 131,072 digits before the point, 16,383 after it. Money needs
# 20. Longer ones, and those with an exponent, are looked at before anybody tries to store them.
PLAIN_NUMBER = 40
LARGEST_EXPONENT = 1000


class NotStorableError(ValueError):
    """This value has no place in a database's JSON; the words name the reason."""


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number by its text: `100.00` stays `100.00`."""

    text: str


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a list: its exact text and its value."""

    raw: str
    value: Any
    problem: str = ""
    """Why `raw` is not quite JSON, when only a lenient reader could find its end."""
    outer: Mapping[str, Any] | None = None
    """The members of the element that this one lies in, if it lies in one."""


def read_object(
    text: str, listed: str, *, one: bool = False
) -> tuple[dict[str, Any], tuple[Element, ...] | None]:
    """The members of the one object that `text` is, and apart from them the elements of its list `listed`.

    None stands for a list that is missing or is something else; with `one`, an object in its place is its
    only element. ValueError when the text is not one JSON object; RecursionError when it is nested too deep.
    """
    return _object(text, listed, _STRICT, one=one)


def read_whole(text: str, wrapped: str) -> Element:
    """The one object that `text` is, or that stands in it as `wrapped`. ValueError as above."""
    members, found = read_object(text, wrapped, one=True)
    return found[0] if found else Element(text.strip(), members)


def read_inside(element: Element, listed: str) -> tuple[Element, ...] | None:
    """The elements of the list inside an element; None when it has no such list. ValueError as above."""
    members, found = _object(element.raw, listed, _LENIENT)
    if found is None and members.get(listed) is not None:
        raise ValueError(f"{listed} is no list")
    return None if found is None else tuple(replace(inner, outer=members) for inner in found)


def _object(
    text: str, listed: str, reader: json.JSONDecoder, *, one: bool = False
) -> tuple[dict[str, Any], tuple[Element, ...] | None]:
    members: dict[str, Any] = {}
    found: tuple[Element, ...] | None = None
    at = _skip(text, _expect(text, _skip(text, 0), "{"))
    more = not text.startswith("}", at)
    while more:
        key, at = reader.raw_decode(text, at)
        at = _skip(text, _expect(text, _skip(text, at), ":"))
        if key == listed and text.startswith("[", at):
            found, at = _elements(text, at)
        elif key == listed and one and text.startswith("{", at):
            element, at = _element(text, at)
            found = (element,)
        else:
            members[key], at = reader.raw_decode(text, at)
        at, more = _next(text, at)
    at = _skip(text, _expect(text, at, "}"))
    if at != len(text):
        raise ValueError(f"something follows the object at character {at}")
    return members, found


def content_hash(content: Any) -> str:
    """SHA-256 over the content with sorted keys and numbers by their text; NotStorableError as it says."""
    canonical = _CANONICAL.encode(content)
    # json writes the NUL character as this escape; a backslash of the content's own is doubled before it.
    if "\\u0000" in canonical and _NUL.search(canonical):
        raise NotStorableError("it holds a NUL character")
    try:
        return hashlib.sha256(canonical.encode()).hexdigest()
    except UnicodeEncodeError:
        raise NotStorableError("it holds half of a surrogate pair") from None


def _elements(text: str, at: int) -> tuple[tuple[Element, ...], int]:
    found: list[Element] = []
    at = _skip(text, _expect(text, at, "["))
    more = not text.startswith("]", at)
    while more:
        element, at = _element(text, at)
        found.append(element)
        at, more = _next(text, at)
    return tuple(found), _expect(text, at, "]")


def _element(text: str, at: int) -> tuple[Element, int]:
    try:
        content, end = _STRICT.raw_decode(text, at)
    except json.JSONDecodeError as error:
        # A bare control character inside a string: a lenient reader finds the element's end, so that
        # its neighbours can be kept.
        content, end = _LENIENT.raw_decode(text, at)
        return Element(text[at:end], content, f"it is not valid JSON ({error.msg.lower()})"), end
    return Element(text[at:end], content), end


def _number_text(content: Any) -> list[str]:
    # A list of one text, so that the number 5 and the text "5" differ.
    if not isinstance(content, Number):
        raise NotStorableError("it holds a number that is none (NaN or infinity)")
    text = content.text
    if len(text) > PLAIN_NUMBER or "e" in text or "E" in text:
        digits, _, exponent = text.lower().partition("e")
        if len(digits) > LARGEST_EXPONENT or len(exponent) > 5 or abs(int(exponent or 0)) > LARGEST_EXPONENT:
            raise NotStorableError("it holds a number too large to keep")
    return [text]


@dataclass(frozen=True, slots=True)
class _NotANumber:
    """`NaN` and its like, which some writers take for JSON."""

    name: str


def _next(text: str, at: int) -> tuple[int, bool]:
    """Where reading goes on after a value, and whether a comma promised another one."""
    at = _skip(text, at)
    return (_skip(text, at + 1), True) if text.startswith(",", at) else (at, False)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _expect(text: str, at: int, character: str) -> int:
    if not text.startswith(character, at):
        raise ValueError(f"no {character!r} at character {at}")
    return at + 1


# Without a search for cycles: what was read from text has none.
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False, default=_number_text
)
_SPACE = re.compile(r"[ \t\n\r]*")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_STRICT = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_NotANumber)
_LENIENT = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_NotANumber, strict=False)
