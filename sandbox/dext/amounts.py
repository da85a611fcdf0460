"""Spells a cost item's amounts: as decimal strings, as numbers, as null, or each item in its own way."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Fields = Mapping[str, Any]

_HEADER = ("net_amount", "tax_amount", "total_amount")
_LINE = ("quantity", "unit_amount", *_HEADER)
_TURNS = ("strings", "numbers", "nulls")


def spelt(fields: Fields, way: str) -> dict[str, Any]:
    """The item with its amounts in that way; `mixed`: by turns of the items."""
    if way == "mixed":
        way = _TURNS[int(fields["id"]) % len(_TURNS)]
    return _WAYS[way](fields)


def _numbers(fields: Fields) -> dict[str, Any]:
    told = _as_numbers(fields, _HEADER)
    told["line_items"] = [_as_numbers(line, _LINE) for line in fields["line_items"]]
    if fields["base"] is not None:
        told["base"] = _as_numbers(fields["base"], _HEADER)
    return told


def _as_numbers(fields: Fields, names: tuple[str, ...]) -> dict[str, Any]:
    numbers = {name: Decimal(fields[name]) for name in names if isinstance(fields.get(name), str)}
    return {**fields, **numbers}


def _nulls(fields: Fields) -> dict[str, Any]:
    # The total is what people look for first: it is there when nothing else is.
    return {**fields, "net_amount": None, "tax_amount": None, "base": None}


_WAYS: Mapping[str, Callable[[Fields], dict[str, Any]]] = {
    "strings": dict,
    "numbers": _numbers,
    "nulls": _nulls,
}
