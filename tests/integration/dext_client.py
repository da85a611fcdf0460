"""One Dext account of the sandbox as its client sees it."""

import json
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any

from sandbox.testing import Answer, Sandbox


class DextClient:
    """Asks with a token of its own."""

    def __init__(self, sandbox: Sandbox, place: int) -> None:
        self.sandbox = sandbox
        told = sandbox.dext_grants()["accounts"][place]
        self.account, self.tenant = str(told["account_id"]), str(told["tenant_id"])
        self.token = str(sandbox.dext_refresh(told["refresh_token"]).json()["access_token"])

    def call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.token}", "X-Request-Id": str(uuid.uuid4())}
        return self.sandbox.call(method, f"/dext/v1/{path}", sent | dict(headers or {}), body)

    def get(self, path: str, **query: object) -> Answer:
        question = f"?{urllib.parse.urlencode(query)}" if query else ""
        return self.call("GET", f"{path}{question}")

    def write(self, method: str, path: str, body: object, key: str | None = None) -> Answer:
        headers = {"Idempotency-Key": key or str(uuid.uuid4()), "Content-Type": "application/json"}
        return self.call(method, path, headers, json.dumps(body).encode())

    def rows(self, path: str, **query: object) -> list[dict[str, Any]]:
        """Every record behind every cursor."""
        rows: list[dict[str, Any]] = []
        cursor: dict[str, object] = {}
        while True:
            told = self.get(path, **query | cursor).json()
            rows += told["data"]
            if told["page"]["next_cursor"] is None:
                return rows
            cursor = {"cursor": told["page"]["next_cursor"]}

    def dump(self, resource: str) -> list[dict[str, Any]]:
        return self.sandbox.dump(self.account, resource)
