"""Dext's lists and everything else we ask it for, under the contract that is proposed."""

from connectors.dext.identity import DextIdentity

__all__ = ["DextIdentity"]
