"""Reads one organisation's lists from the sandbox through the connector, as a run would."""

import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import SecretStr

from config.limits import XERO, CallClass, Limits
from connectors.errors import ConnectorError
from connectors.http import Access, ApiClient
from connectors.pages import Page
from connectors.transport import Transport
from connectors.xero import ENDPOINTS, XeroConnector
from limiter.limiter import Account, Limiter
from sandbox.testing import Sandbox

# These tests are about reading; the sandbox and the limiter let them go as fast as they can.
PLENTY: dict[str, Any] = {"minute": 100_000, "day": 1_000_000, "app_minute": 1_000_000}
LIMITS = {"xero": Limits(in_flight=XERO.in_flight, **PLENTY)}


class Reader:
    """Reads one organisation's lists, and stores as the store does: newer wins, or the same age differs."""

    def __init__(
        self, sandbox: Sandbox, limiter: Limiter, place: int = 0, transport: Transport | None = None
    ) -> None:
        tenant = sandbox.tenants()[place]
        self.tenant = str(tenant["tenant_id"])
        self.sandbox = sandbox
        self.access = Access(
            Account("xero", self.tenant), SecretStr(sandbox.access_token(self.tenant)), self.tenant
        )
        self.connector = XeroConnector(
            ApiClient(sandbox.url, limiter, transport or Transport(), sleep=lambda _: None)
        )
        self.stored: dict[str, Any] = {}
        self.newest: datetime | None = None
        self.pages: list[Page] = []

    def page(self, resource: str) -> Page:
        return self._read(resource, self.connector.begin(resource, self.newest))

    def run(self, resource: str) -> Page:
        cursor = self.connector.begin(resource, self.newest)
        while True:
            page = self._read(resource, json.loads(json.dumps(cursor)))
            self.pages.append(page)
            cursor = page.cursor
            for record in page.records:
                known = self.stored.get(record.id)
                if known is None or record.modified_at is None or record.modified_at >= known.modified_at:
                    self.stored[record.id] = record
            self.newest = self.connector.newest(cursor)
            if page.last or page.flaw:
                return page

    def refused(self, resource: str = "xero.contacts") -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            self.page(resource)
        return caught.value

    def differences(self, resource: str) -> list[str]:
        """Ids that the store lacks or has in another version than the provider."""
        (key,) = (endpoint.id for endpoint in ENDPOINTS if endpoint.resource == resource)
        dump = json.loads(self.sandbox.dump_bytes(self.tenant, resource), parse_float=str)
        at_provider = {str(record[key]): record for record in dump["records"]}
        stored = {key: json.loads(record.raw, parse_float=str) for key, record in self.stored.items()}
        return [key for key, record in at_provider.items() if stored.get(key) != record]

    def _read(self, resource: str, cursor: Any) -> Page:
        return self.connector.read(resource, cursor, self.access, CallClass.SCHEDULED, lambda: None)

    def alone(self, resource: str, record_id: str) -> Page:
        return self.connector.read_alone(resource, record_id, self.access, CallClass.PRESS, lambda: None)
