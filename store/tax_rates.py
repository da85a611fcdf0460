"""What the tax lists are compared by: the rates of both sides, and the accounts that have them."""

from typing import Any

from config.shapes import Shape
from store.database import Scope
from store.tables import table_of

_XERO = (
    "id",
    "name",
    "status",
    "effective_rate",
    "can_apply_to_assets",
    "can_apply_to_equity",
    "can_apply_to_expenses",
    "can_apply_to_liabilities",
    "can_apply_to_revenue",
)
_DEXT = ("external_id", "code", "name", "status", "rate")


def of_xero(scope: Scope, shape: Shape) -> list[Any]:
    """Xero's tax rates that are there, in use or not."""
    return _live(scope, shape, _XERO)


def of_dext(scope: Scope, shape: Shape) -> list[Any]:
    """Dext's tax rates that are there, in use or not."""
    return _live(scope, shape, _DEXT)


def accounts(scope: Scope, shape: Shape) -> list[Any]:
    """Xero's accounts: id, code, class, tax type."""
    return _live(scope, shape, ("id", "code", "account_class", "tax_type"))


def _live(scope: Scope, shape: Shape, columns: tuple[str, ...]) -> list[Any]:
    table = table_of(shape)
    query = scope.select(table, *(table.c[name] for name in columns))
    return list(scope.tx.execute(query.where(table.c.gone_at.is_(None)).order_by(table.c.id)))
