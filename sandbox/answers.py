"""What a call is answered with, and Xero's ways of refusing."""

import uuid
from dataclasses import dataclass, field

from sandbox.rendering import plain

JSON = "application/json; charset=utf-8"
HTML = "text/html"


@dataclass
class Answer:
    """Status, body and headers of one answer, and how many records it carries."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = JSON
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 0


def refusal(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> Answer:
    """The shape that Xero's gateway gives its 401s and 403s."""
    problem: dict[str, object] = {
        "Type": None,
        "Title": title,
        "Status": status,
        "Detail": detail,
        "Instance": str(uuid.uuid4()),
        "Extensions": {},
    }
    return Answer(status, plain(problem), headers=headers or {})


def unauthorised(detail: str) -> Answer:
    """401: the token is missing, unknown or expired."""
    return refusal(401, "Unauthorized", detail)


def scope_missing(scope: str) -> Answer:
    """401 although the token is good: it does not open this endpoint."""
    challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    return refusal(401, "Unauthorized", "AuthorizationUnsuccessful", {"WWW-Authenticate": challenge})


def not_connected() -> Answer:
    """403: the tenant is missing, unknown, or no longer connected to this token."""
    return refusal(403, "Forbidden", "AuthenticationUnsuccessful")


def not_found() -> Answer:
    """404 as Xero sends it: no body, and not JSON."""
    return Answer(404, b"", HTML)


def bad_request(number: int, kind: str, message: str) -> Answer:
    """400: the question cannot be understood."""
    return Answer(400, plain({"ErrorNumber": number, "Type": kind, "Message": message}))


def oauth_error(code: str) -> Answer:
    """400 of the token endpoint."""
    return Answer(400, plain({"error": code}))
