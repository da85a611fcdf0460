"""Reads one Dext account's lists from the sandbox through the adapter, as a run would."""

import json
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from config.dext import DextSettings
from config.limits import CallClass, Limits
from connectors.dext import Call, DextConnector, DextIdentity, DextPort
from connectors.http import Access, ApiClient
from connectors.pages import Page
from connectors.transport import Transport
from connectors.verdicts import DEXT
from limiter.limiter import Account, Limiter
from sandbox.testing import Sandbox

PLENTY: dict[str, Any] = {"minute": 100_000, "day": 1_000_000, "app_minute": 1_000_000}
LIMITS = {"dext": Limits(in_flight=2, **PLENTY)}


class DextReader:
    """Both halves of the adapter for one account, and a store that lets the newer win."""

    def __init__(self, sandbox: Sandbox, limiter: Limiter, place: int = 0, **given: Any) -> None:
        granted = sandbox.dext_grants()
        told = granted["accounts"][place]
        self.sandbox, self.account = sandbox, str(told["account_id"])
        settings = DextSettings(
            dext_base_url=f"{sandbox.url}/dext",
            dext_token_url=f"{sandbox.url}/dext/oauth/token",
            dext_revoke_url=f"{sandbox.url}/dext/oauth/revoke",
            dext_client_id=granted["client_id"],
            dext_client_secret=granted["client_secret"],
            **given,
        )
        transport = Transport()
        api = ApiClient(f"{sandbox.url}/dext", limiter, transport, dialect=DEXT, sleep=lambda _: None)
        self.connector, self.port = DextConnector(api, settings), DextPort(api, settings)
        self.identity = DextIdentity(settings, transport)
        self.pair = self.identity.refresh(SecretStr(told["refresh_token"]))
        self.newest: datetime | None = None
        self.stored: dict[str, Any] = {}
        self.pages: list[Page] = []

    @property
    def access(self) -> Access:
        return Access(Account("dext", self.account), self.pair.access_token, self.account)

    @property
    def call(self) -> Call:
        return Call(self.access, CallClass.DECISION)

    def renew(self) -> None:
        self.pair = self.identity.refresh(self.pair.refresh_token)

    def page(self, resource: str) -> Page:
        return self._read(resource, self.connector.begin(resource, self.newest))

    def run(self, resource: str) -> Page:
        cursor = self.connector.begin(resource, self.newest)
        while True:
            page = self._read(resource, json.loads(json.dumps(cursor)))
            self.pages.append(page)
            assert page.rejects == ()
            for record in page.records:
                known = self.stored.get(record.id)
                if known is None or record.modified_at is None or record.modified_at >= known.modified_at:
                    self.stored[record.id] = record
            cursor, self.newest = page.cursor, self.connector.newest(page.cursor)
            if page.last or page.flaw:
                return page

    def differences(self, resource: str) -> list[str]:
        """Ids that the store lacks or has in another version than Dext."""
        dump = json.loads(self.sandbox.dump_bytes(self.account, resource), parse_float=str)
        stored = {key: json.loads(record.raw, parse_float=str) for key, record in self.stored.items()}
        return [record["id"] for record in dump["records"] if stored.get(record["id"]) != record]

    def alone(self, record_id: str) -> Page:
        return self.connector.read_alone("dext.items", record_id, self.access, CallClass.PRESS, lambda: None)

    def _read(self, resource: str, cursor: Any) -> Page:
        return self.connector.read(resource, cursor, self.access, CallClass.SCHEDULED, lambda: None)
