"""Takes the fields of a control request one by one, and refuses what is wrong in one sentence."""

from collections.abc import Iterable
from typing import Any


class BadControlError(Exception):
    """A control door was asked for something it does not have; the text is one sentence."""


class Asked:
    """The fields of a control request, each taken once by its name; what is left over is an error."""

    def __init__(self, body: object) -> None:
        if not isinstance(body, dict):
            raise BadControlError("The body must be one JSON object.")
        self._fields: dict[str, Any] = {name: value for name, value in body.items() if value is not None}

    def text(self, name: str, among: Iterable[str] | None = None) -> str | None:
        """A string, of a closed list where one is given."""
        value = self._fields.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise BadControlError(f"{name} must be a text.")
        if value is not None and among is not None and value not in (known := sorted(among)):
            raise BadControlError(f"{name} must be one of {', '.join(known)}.")
        return value

    def number(self, name: str, *, least: float = 0) -> float | None:
        """A number that is not below the least one."""
        value = self._fields.pop(name, None)
        if value is not None and (
            not isinstance(value, int | float) or isinstance(value, bool) or value < least
        ):
            raise BadControlError(f"{name} must be a number of {least} or more.")
        return value

    def whole(self, name: str, *, least: int = 0) -> int | None:
        """A whole number that is not below the least one."""
        value = self.number(name, least=least)
        if value is not None and value != int(value):
            raise BadControlError(f"{name} must be a whole number.")
        return int(value) if value is not None else None

    def flag(self, name: str) -> bool:
        """true or false; absent is false."""
        value = self._fields.pop(name, False)
        if not isinstance(value, bool):
            raise BadControlError(f"{name} must be true or false.")
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """A JSON object."""
        value = self._fields.pop(name, None)
        if value is not None and not isinstance(value, dict):
            raise BadControlError(f"{name} must be an object.")
        return value

    def texts(self, name: str) -> list[str] | None:
        """A list of strings."""
        value = self._fields.pop(name, None)
        if value is not None and not (isinstance(value, list) and all(isinstance(x, str) for x in value)):
            raise BadControlError(f"{name} must be a list of texts.")
        return value

    def done(self) -> None:
        """Nothing else may have been asked."""
        if self._fields:
            raise BadControlError(f"There is no field {min(self._fields)}.")
