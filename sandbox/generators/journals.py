"""Makes manual journals, whose lines sum to nothing."""

from sandbox.generators.accounts import account_id
from sandbox.generators.making import Fields, Making
from sandbox.generators.values import DAY_MS, guid, midnight, money
from sandbox.generators.words import NARRATIONS

_STATUSES = ("POSTED",) * 8 + ("DRAFT", "VOIDED", "ARCHIVED")


def manual_journal(making: Making) -> Fields:
    """One manual journal; a few of their dates name another zone than UTC."""
    source = making.source
    date = midnight(making.modified_ms) - source.randrange(0, 30) * DAY_MS
    zone = "+1300" if making.every(41, 6) else "+0000"
    amounts = [source.randrange(100, 900_000) for _ in range(source.choice((1, 1, 2, 3)))]
    fields: Fields = {
        "Date": f"/Date({date}{zone})/",
        "Status": source.choice(_STATUSES),
        "LineAmountTypes": "NoTax",
        "UpdatedDateUTC": "",
        "ManualJournalID": guid(source),
        "Narration": source.choice(NARRATIONS),
        "JournalLines": [_line(making, amount) for amount in (*amounts, -sum(amounts))],
    }
    if making.every(17, 3):
        fields["Url"] = f"https://example.com/journals/{making.serial}"
    return fields | {"ShowOnCashBasisReports": making.chance(0.8), "HasAttachments": making.chance(0.1)}


def _line(making: Making, cents: int) -> Fields:
    code = making.source.choice(("400", "416", "477", "620", "710", "814"))
    fields: Fields = {
        "LineAmount": money(cents),
        "AccountCode": code,
        "AccountID": account_id(making, code),
        "TaxType": making.organisation.country.untaxed,
        "TaxAmount": money(0),
        "Tracking": [],
        "IsBlank": False,
    }
    if making.chance(0.7):
        fields["Description"] = "see narration"
    return fields
