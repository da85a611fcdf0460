"""Makes linked transactions: costs on a bill that are to be charged on to a customer."""

from sandbox.generators.making import Fields, Making
from sandbox.generators.values import guid

_STATUSES = ("DRAFT", "APPROVED", "ONDRAFT", "BILLED", "BILLED", "VOIDED")


def linked_transaction(making: Making) -> Fields:
    """One linked transaction; what it is charged on to is not always known yet."""
    bill, customer = making.peer("xero.invoices"), making.peer("xero.contacts")
    status = making.source.choice(_STATUSES)
    fields: Fields = {
        "LinkedTransactionID": guid(making.source),
        "SourceTransactionID": bill["InvoiceID"] if bill else guid(making.source),
        "SourceLineItemID": bill["LineItems"][0]["LineItemID"] if bill else guid(making.source),
    }
    if customer and making.chance(0.8):
        fields["ContactID"] = customer["ContactID"]
    if status in {"ONDRAFT", "BILLED"}:
        target = making.peer("xero.invoices")
        fields["TargetTransactionID"] = target["InvoiceID"] if target else guid(making.source)
        fields["TargetLineItemID"] = target["LineItems"][0]["LineItemID"] if target else guid(making.source)
    return fields | {
        "Status": status,
        "Type": "BILLABLEEXPENSE",
        "UpdatedDateUTC": "",
        # RECEIPT is seen live, and in no list of values.
        "SourceTransactionTypeCode": "RECEIPT" if making.every(61, 10) else "ACCPAY",
    }
