"""The sandbox's control doors, over HTTP: who may come in, what is there, what was asked for."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

PATIENCE_SECONDS = 30.0

# A proxy of the environment must never stand between us and the loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxUnavailableError(Exception):
    """The sandbox does not answer, or refused; the sentence says which."""


class SandboxDoors:
    """One running sandbox."""

    def __init__(self, url: str) -> None:
        self.url = url

    def grants(self) -> dict[str, Any]:
        """`client_id`, `client_secret`, `grants`, each with its `refresh_token` and `tenants`; and `dext`.

        There stand Dext's own `client_id`, `client_secret`, and `accounts`, each beside a tenant.
        """
        return dict(self._json("GET", "grants"))

    def dump(self, tenant_id: str, resource: str) -> str:
        """Every record of a list as its widest filter shows it: the JSON text, digit for digit."""
        return self._text("GET", f"dump/{tenant_id}/{resource}")

    def count(self, tenant_id: str, resource: str) -> int:
        """How many records a list has."""
        return int(self._json("GET", f"dump/{tenant_id}/{resource}")["count"])

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """The log of ended calls from number `after` + 1 on."""
        return list(self._json("GET", f"calls?after={after}")["calls"])

    def edit(
        self,
        tenant_id: str,
        resource: str,
        action: str,
        *,
        count: int = 1,
        ids: Sequence[str] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Change records as a person would, at Xero or in Dext, or to these fields; returns their ids."""
        chosen: dict[str, Any] = {"count": count} if ids is None else {"ids": list(ids)}
        wish = {"tenant": tenant_id, "resource": resource, "action": action, **chosen}
        wish |= {"fields": dict(fields)} if fields else {}
        return list(self._json("POST", "edit", wish)["ids"])

    def subscribe(self, url: str, key: str, **habits: float) -> bool:
        """Let the sandbox's Xero tell an address of every edit; whether it was there and knew the key.

        Habits: how untidily, as the sandbox names it (`double`, `forge`, ...).
        """
        return bool(self._json("POST", "webhooks", {"url": url, "key": key, **habits})["ready"])

    def posted(self) -> dict[str, Any]:
        """How many deliveries of webhooks are `under_way`, and each attempt that was `posted`."""
        return dict(self._json("GET", "webhooks"))

    def applied(self, tenant_id: str) -> dict[str, dict[str, int]]:
        """By document: how often clients brought it to which status."""
        return dict(self._json("GET", f"writes/{tenant_id}")["applied"])

    def _json(self, method: str, door: str, body: dict[str, Any] | None = None) -> Any:
        return json.loads(self._text(method, door, body))

    def _text(self, method: str, door: str, body: dict[str, Any] | None = None) -> str:
        request = urllib.request.Request(  # noqa: S310 - always the sandbox's own http address
            f"{self.url}/_sandbox/{door}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with _OPENER.open(request, timeout=PATIENCE_SECONDS) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode(errors="replace")[:300]
            raise SandboxUnavailableError(f"The sandbox refused {method} {door}: {words}") from error
        except OSError as error:
            raise SandboxUnavailableError(f"The sandbox at {self.url} does not answer ({error}).") from error
