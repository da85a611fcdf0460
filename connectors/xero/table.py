"""All of Xero's lists, one row each."""

from connectors.endpoints import Endpoint
from connectors.xero import coding, contacts, documents, ledger, organisation

ENDPOINTS: tuple[Endpoint, ...] = (
    *organisation.ENDPOINTS,
    *coding.ENDPOINTS,
    *contacts.ENDPOINTS,
    *documents.ENDPOINTS,
    *ledger.ENDPOINTS,
)
