"""All of Dext's lists, one row each, by the names of `wire.item_from_wire`."""

from config.dext import DextSettings
from connectors.dext.wire import ROOT, item_from_wire
from connectors.endpoints import (
    Endpoint,
    Field,
    Paging,
    boolean,
    date,
    integer,
    numeric,
    statuses,
    text,
    timestamp,
)

_ITEM_STATUSES = statuses(
    "status",
    "processing",
    "to_review",
    "ready",
    "publish_failed",
    "published",
    "archived",
    "deleted",
    archived=("archived", "deleted"),
)
_ENTRY_STATUSES = statuses("status", "active", "inactive", "deleted", archived=("inactive", "deleted"))

_ITEM = (
    integer("version", "version"),
    text("type", "type"),
    text("status", "status"),
    timestamp("created_at", "created_at"),
    timestamp("published_at", "published_at"),
    timestamp("deleted_at", "deleted_at"),
    text("publication_id", "publication.id"),
    integer("publication_attempt", "publication.attempt"),
    text("destination", "publication.destination"),
    text("publish_as", "publication.publish_as"),
    text("owner_name", "owner.name"),
    text("supplier_id", "supplier.id"),
    text("supplier_external_id", "supplier.external_id"),
    text("supplier_name", "supplier.name"),
    text("reference", "document.reference"),
    date("date", "document.date"),
    date("due_date", "document.due_date"),
    text("currency", "currency"),
    numeric("net_amount", "net_amount"),
    numeric("tax_amount", "tax_amount"),
    numeric("total_amount", "total_amount"),
    boolean("amounts_include_tax", "amounts_include_tax"),
    boolean("paid", "paid"),
    text("payment_method_external_id", "payment_method.external_id"),
    text("category_external_id", "category.external_id"),
    text("category_code", "category.code"),
    text("tax_rate_external_id", "tax_rate.external_id"),
    text("description", "description"),
    text("file_name", "file.name"),
    text("file_content_type", "file.content_type"),
    integer("file_size", "file.size"),
    text("file_sha256", "file.sha256"),
)
_ENTRY = (
    text("external_id", "external_id"),
    text("code", "code"),
    text("name", "name"),
    text("status", "status"),
    timestamp("updated_at", "updated_at"),
)
_ATTRIBUTES: dict[str, tuple[Field, ...]] = {
    "categories": (
        text("type", "attributes.type"),
        text("class", "attributes.class"),
        text("default_tax", "attributes.default_tax"),
    ),
    "suppliers": (
        boolean("is_supplier", "attributes.is_supplier"),
        text("tax_number", "attributes.tax_number"),
        text("default_category", "attributes.default_category"),
        text("default_tax", "attributes.default_tax"),
        text("currency", "attributes.currency"),
    ),
    "customers": (),
    "tax_rates": (numeric("rate", "attributes.rate"),),
    "tracking": (),
    "bank_accounts": (text("currency", "attributes.currency"), text("last4", "attributes.last4")),
    "projects": (),
}


def endpoints(settings: DextSettings) -> tuple[Endpoint, ...]:
    """Dext's lists, read as the settings say: the documents, then what they refer to."""
    paged = settings.dext_paging != "none"
    whole: Paging = "through" if paged else "whole"
    since: Paging = "seek" if paged else "changes"
    # Where nothing can be asked by its time, records are not taken to have one.
    modified = "updated_at" if settings.dext_asks_for_changes else None
    items = Endpoint(
        "dext.items",
        about="costs as Dext read them from paper: invoices, receipts, credit notes",
        path="items",
        root=ROOT,
        id="id",
        scope="",
        paging=since if settings.dext_asks_for_changes else whole,
        page_size=settings.dext_page_size,
        modified=modified,
        statuses=_ITEM_STATUSES,
        named=item_from_wire,
        params={"include_deleted": "true"},
        fields=_ITEM,
    )
    lists = (
        Endpoint(
            f"dext.{kind}",
            about=f"{kind.replace('_', ' ')} as Dext has them",
            path=kind,
            root=ROOT,
            id="id",
            scope="",
            paging=whole,
            page_size=settings.dext_page_size,
            modified=modified,
            statuses=_ENTRY_STATUSES,
            named=item_from_wire,
            alone=False,
            reference=True,
            fields=(*_ENTRY, *attributes),
        )
        for kind, attributes in _ATTRIBUTES.items()
    )
    return (items, *lists)


ENDPOINTS = endpoints(DextSettings())
"""As long as the settings say nothing else."""
