"""Dext's ways of refusing: one shape for every error, or the old API's error inside a 200."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.answers import Answer
from sandbox.rendering import plain

Problem = dict[str, str]


@dataclass
class RefusedError(Exception):
    """The call is refused; carries what the answer says."""

    status: int
    code: str
    message: str
    fields: list[Problem] = field(default_factory=list)

    def answer(self, request_id: str | None, *, inside: bool) -> Answer:
        """The refusal as it is sent: with its status, or `inside` a 200 as the old API had it."""
        if inside:
            return Answer(200, plain({"errorcode": self.status, "errormessage": self.message}))
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "fields": self.fields,
            "request_id": request_id,
        }
        return Answer(self.status, plain({"error": error}))


def invalid(*problems: Problem) -> RefusedError:
    """422: some fields of the question or of the body are wrong."""
    names = ", ".join(problem["path"] for problem in problems)
    return RefusedError(422, "invalid", f"Please check {names}.", list(problems))


def problem(path: str, code: str) -> Problem:
    """What is wrong with one field."""
    return {"path": path, "code": code}


def not_found(what: str) -> RefusedError:
    """404."""
    return RefusedError(404, "not_found", f"There is no such {what}.")
