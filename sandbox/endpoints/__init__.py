"""Xero's lists as one table, grouped by habit; a new endpoint is one row here and one generator."""

from sandbox.endpoints.documents import DOCUMENTS
from sandbox.endpoints.endpoint import Endpoint, Paging
from sandbox.endpoints.reference import REFERENCE

__all__ = ["BY_PATH", "BY_RESOURCE", "ENDPOINTS", "PARTS", "Endpoint", "Paging"]

ENDPOINTS = (*REFERENCE, *DOCUMENTS)

BY_RESOURCE = {endpoint.resource: endpoint for endpoint in ENDPOINTS}
# The lists whose records stand inside another's, by that other's resource.
PARTS = {endpoint.inside.resource: endpoint for endpoint in ENDPOINTS if endpoint.inside is not None}
# What stands inside another list's records has no path of its own.
BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS if endpoint.inside is None}
