"""What each of Dext's lists has to hold, by what Xero's lists say in the store now."""

import json
from collections.abc import Collection, Iterator
from decimal import Decimal

from connectors.dext import ListEntry
from store import records, upstream
from store.database import Scope
from sync.lists.mapping import ACCOUNTS, UPSTREAM, Codes, Record, Source, codes_of, entries
from sync.services import Services


def read_whole(scope: Scope) -> set[str]:
    """What was read whole at least once: a list half read would take the other half away in Dext."""
    known = upstream.sources(scope, UPSTREAM)
    return {source.resource for source in known if source.last_success_at is not None}


def codes_now(services: Services, scope: Scope, usable: Collection[str]) -> Codes:
    """The accounts by their code, as far as they were read."""
    return codes_of(_records(services, scope, ACCOUNTS)) if ACCOUNTS in usable else {}


def wanted_now(services: Services, scope: Scope, source: Source, codes: Codes) -> list[ListEntry]:
    """The entries that a list has to hold."""
    return entries(source, _records(services, scope, source.resources[0]), codes)


def _records(services: Services, scope: Scope, resource: str) -> Iterator[Record]:
    for _, text in records.read(scope, services.shape(resource)):
        yield json.loads(text, parse_float=Decimal)
