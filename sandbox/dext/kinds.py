"""Dext's lists as one table."""

from typing import Any

from sandbox.dext import entries
from sandbox.dext.acts import ACTS, EDITED
from sandbox.dext.entries import Source, Telling, entry_of, sized
from sandbox.dext.items import item, items
from sandbox.dext.tax_list import tax_rows
from sandbox.endpoints.changes import Text
from sandbox.endpoints.endpoint import Endpoint, Hidden, Paging
from sandbox.endpoints.sizes import Size, told
from sandbox.generators.making import Generator
from sandbox.generators.values import stamp_string

ITEMS = "dext.items"

PREFIXES = {
    "categories": "cat",
    "suppliers": "sup",
    "customers": "cus",
    "tax_rates": "tx",
    "tracking": "trk",
    "bank_accounts": "bank",
    "projects": "prj",
}


def _kind(
    name: str,
    make: Generator,
    size: Size,
    **habits: Any,
) -> Endpoint:
    # How a list is cut is the account's switch, so nothing of Xero's paging is told here.
    return Endpoint(
        resource=f"dext.{name}",
        path=f"dext.{name}",
        key="data",
        id="id",
        scope="",
        make=make,
        size=size,
        paging=Paging.WHOLE,
        stamp="updated_at",
        grain_ms=1000,
        spelt=stamp_string,
        compact=True,
        **habits,
    )


def _list(name: str, source: Source, tell: Telling) -> Endpoint:
    make = entry_of(PREFIXES[name], source, tell)
    return _kind(
        name,
        make,
        sized(source),
        edited=Text("name"),
        since=False,
        status="active",
        targets={"archive": False, "restore": True},
    )


KINDS = (
    _kind(
        "items",
        item,
        told(items),
        edited=EDITED,
        acts=ACTS,
        hidden=Hidden("status", "deleted", unless="include_deleted"),
    ),
    # Whole lists: nothing asks them for changes.
    _list("categories", entries.accounts, entries.category),
    _list("suppliers", entries.contacts("IsSupplier"), entries.supplier),
    _list("customers", entries.contacts("IsCustomer"), entries.customer),
    _list("tax_rates", tax_rows, entries.tax_rate),
    _list("tracking", entries.active_tracking, entries.tracking),
    _list("bank_accounts", entries.banks, entries.bank_account),
    _list("projects", entries.projects, entries.project),
)

DEXT_RESOURCES = {kind.resource: kind for kind in KINDS}
# What a fault may name: the lists, and every other door.
DEXT_ENDPOINTS = (
    *DEXT_RESOURCES, "dext.token", "dext.revoke", "dext.account", "dext.item", "dext.file", "dext.download",
    "dext.outcome", "dext.push", "dext.jobs",
)  # fmt: skip
