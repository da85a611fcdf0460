"""Xero's ways of refusing a write: the whole request with a 400, or an element of it in a 200."""

from collections.abc import Mapping
from typing import Any

from sandbox.answers import Answer
from sandbox.rendering import plain


class RefusedError(Exception):
    """What was sent is not accepted; carries the answer, and the element that is to blame, if one is."""

    def __init__(self, answer: Answer, element: Mapping[str, Any] | None = None) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer
        self.element = element or {}


def malformed(words: str) -> RefusedError:
    """The body is not what belongs there."""
    told = {"ErrorNumber": 14, "Type": "PostDataInvalidException", "Message": words}
    return RefusedError(Answer(400, plain(told)))


def invalid(element: Mapping[str, Any], *words: str) -> RefusedError:
    """A validation exception. The element is told as it was asked for, not as it is."""
    flawed = {**element, "ValidationErrors": [{"Message": each} for each in words]}
    told = {
        "ErrorNumber": 10,
        "Type": "ValidationException",
        "Message": "A validation exception occurred",
        "Elements": [flawed],
    }
    return RefusedError(Answer(400, plain(told)), flawed)
