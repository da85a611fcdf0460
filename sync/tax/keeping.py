"""One organisation's tax lists, out of the store: compared whenever one of them was read, or for one bill."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from config.shapes import Shape
from connectors.dext.wire import ROOT, item_from_wire
from connectors.exact import read_whole
from store import records, tax_checks, tax_rates, upstream
from store.database import Scope, Transaction
from store.runs import Claim
from sync.tax.bills import Account, Line, Lists, check, tax_type_of
from sync.tax.comparing import Rate, Row, compare
from sync.tax.verdicts import VERDICTS

ShapeOf = Callable[[str], Shape]
XERO, DEXT = "xero.tax_rates", "dext.tax_rates"
USES = ("assets", "equity", "expenses", "liabilities", "revenue")


def after_read(tx: Transaction, shape_of: ShapeOf, claim: Claim) -> None:
    """Compare the tax lists in the transaction that ends the read of one of them.

    Nothing is compared before both were read whole: half a list would be missing.
    """
    if claim.resource not in (XERO, DEXT):
        return
    scope = tx.scope(claim.organisation_id)
    if sum(source.last_success_at is not None for source in upstream.sources(scope, (XERO, DEXT))) < 2:
        return
    tax_checks.begin(tx, claim.organisation_id)
    xero = _of_xero(scope, shape_of)
    rows = compare(_of_dext(scope, shape_of, xero), xero)
    tax_checks.keep(
        tx,
        claim.organisation_id,
        [written(row) for row in rows],
        blocking=sum(row.blocks for row in rows),
        warning=sum(not row.blocks and row.verdict != "match" for row in rows),
    )


def check_bill(scope: Scope, shape_of: ShapeOf, item_id: str) -> list[Line]:
    """The lines of one of Dext's items, by the lists as they are now; LookupError when it is not here."""
    text = records.one(scope, shape_of("dext.items"), item_id)
    if text is None:
        raise LookupError(f"There is no item {item_id} from Dext here.")
    xero = _of_xero(scope, shape_of)
    accounts = [Account(*row) for row in tax_rates.accounts(scope, shape_of("xero.accounts"))]
    lists = Lists(_of_dext(scope, shape_of, xero), xero, accounts)
    return check(item_from_wire(read_whole(text, ROOT).value), lists)


def written(row: Row) -> Mapping[str, Any]:
    """A row as JSON: what was found, what to do about it, and what either side has."""
    return {
        "tax_type": row.tax_type,
        "verdict": row.verdict,
        "found": list(row.found),
        "blocks": row.blocks,
        "sentence": VERDICTS[row.verdict].sentence,
        "xero": _side(row.xero),
        "dext": _side(row.dext),
    }


def _side(rate: Rate | None) -> Mapping[str, Any] | None:
    if rate is None:
        return None
    said = asdict(rate) | {"rate": None if rate.rate is None else f"{rate.rate:.4f}"}
    return said | {"applies_to": sorted(rate.applies_to)}


def _of_xero(scope: Scope, shape_of: ShapeOf) -> list[Rate]:
    return [
        Rate(
            row.id,
            row.name or "",
            _decimal(row.effective_rate),
            row.status == "ACTIVE",
            frozenset(use for use in USES if getattr(row, f"can_apply_to_{use}")),
        )
        for row in tax_rates.of_xero(scope, shape_of(XERO))
    ]


def _of_dext(scope: Scope, shape_of: ShapeOf, xero: list[Rate]) -> list[Rate]:
    types = {rate.tax_type for rate in xero}
    return [
        Rate(
            # What came to Dext by a connection of its own has no identity of ours, but may have Xero's code.
            tax_type_of(row.external_id) or (row.code if row.code in types else None),
            row.name or "",
            _decimal(row.rate),
            row.status == "active",
        )
        for row in tax_rates.of_dext(scope, shape_of(DEXT))
    ]


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)
