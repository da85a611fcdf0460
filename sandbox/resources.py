"""Every list of both providers, by its resource."""

from sandbox.dext.kinds import KINDS
from sandbox.endpoints import ENDPOINTS

BY_RESOURCE = {endpoint.resource: endpoint for endpoint in (*ENDPOINTS, *KINDS)}
