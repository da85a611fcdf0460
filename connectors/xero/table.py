"""All of Xero's lists, one row each."""

from connectors.endpoints import Endpoint
from connectors.xero import claims, coding, contacts, documents, ledger, organisation, payments

ENDPOINTS: tuple[Endpoint, ...] = (
    *organisation.ENDPOINTS,
    *coding.ENDPOINTS,
    *contacts.ENDPOINTS,
    *documents.ENDPOINTS,
    *payments.ENDPOINTS,
    *ledger.ENDPOINTS,
    *claims.ENDPOINTS,
)
