"""Makes transfers between two bank accounts; Xero tells only when they were made, not when they changed."""

from sandbox.generators import nested
from sandbox.generators.making import Fields, Making
from sandbox.generators.tracking import tracked
from sandbox.generators.values import DAY_MS, date_string, guid, midnight, money, rate


def bank_transfer(making: Making) -> Fields:
    """One transfer; every 11th was deleted, and only `includeDeleted=true` shows it."""
    source = making.source
    date = midnight(making.modified_ms) - source.randrange(0, 5) * DAY_MS
    giving, taking = nested.bank_accounts(making, 2)
    fields: Fields = {
        "BankTransferID": guid(source),
        "CreatedDateUTCString": date_string(making.modified_ms),
        "CreatedDateUTC": f"/Date({making.modified_ms}+0000)/",
        "DateString": date_string(date),
        "Date": f"/Date({date}+0000)/",
        "Status": "DELETED" if making.every(11, 4) else "AUTHORISED",
        "FromBankAccount": nested.some(giving, "AccountID", "Code", "Name"),
        "ToBankAccount": nested.some(taking, "AccountID", "Code", "Name"),
        "Amount": money(source.randrange(1_000, 5_000_000)),
        "FromBankTransactionID": guid(source),
        "ToBankTransactionID": guid(source),
        "FromIsReconciled": making.chance(0.7),
        "ToIsReconciled": making.chance(0.7),
    }
    if making.chance(0.5):
        fields["CurrencyRate"] = rate(1_000_000)
    return fields | {
        "Reference": f"Sub {source.randrange(100_000):06d}" if making.chance(0.6) else "",
        "HasAttachments": making.chance(0.05),
        "FromTracking": _tracking(making),
        "ToTracking": _tracking(making),
    }


def _tracking(making: Making) -> list[Fields]:
    option = tracked(making) if making.chance(0.2) else {}
    return [option] if option else []
