"""One call to Dext, made of an operation's path and what goes with every call."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from config.dext import DextSettings
from config.limits import CallClass
from connectors.http import Access, Request

DONE = frozenset({200, 201, 202, 204})


@dataclass(frozen=True)
class Call:
    """For whom a call is made, why, and what runs before each of its attempts and may end them."""

    access: Access
    call_class: CallClass
    before_attempt: Callable[[], None] = lambda: None


def ask(
    settings: DextSettings,
    operation: str,
    access: Access,
    *,
    params: Mapping[str, str] | None = None,
    **places: str,
) -> Request:
    """What asks for an operation; `places` fill the `{…}` of its path."""
    method, path = settings.dext_path(operation)
    for place, value in places.items():
        path = path.replace(f"{{{place}}}", quote(value, safe=""))
    headers = {
        "Authorization": f"Bearer {access.token.get_secret_value()}",
        "Accept": "application/json",
        "X-Request-Id": str(uuid.uuid4()),
    }
    return Request(path, params or {}, headers, method=method)


def tell(request: Request, body: bytes, key: str) -> Request:
    """The same as a write, which `key` lets be done once however often it is sent."""
    headers = {**request.headers, "Content-Type": "application/json", "Idempotency-Key": key}
    return replace(request, headers=headers, body=body, good=DONE)
