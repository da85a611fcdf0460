"""Dext's lists and everything else we ask it for, under the contract that is proposed."""

from connectors.dext.asking import Call
from connectors.dext.connector import DextConnector
from connectors.dext.identity import DextIdentity
from connectors.dext.port import DextPort
from connectors.dext.table import ENDPOINTS, endpoints
from connectors.dext.values import (
    DextAccount,
    DextFile,
    Kind,
    ListEntry,
    ListPushJob,
    Mode,
    Outcome,
    RejectedEntry,
)

__all__ = [
    "ENDPOINTS",
    "Call",
    "DextAccount",
    "DextConnector",
    "DextFile",
    "DextIdentity",
    "DextPort",
    "Kind",
    "ListEntry",
    "ListPushJob",
    "Mode",
    "Outcome",
    "RejectedEntry",
    "endpoints",
]
