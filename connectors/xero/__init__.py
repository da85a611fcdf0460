"""Xero's lists and their habits, and the connector that reads one page of them."""

from connectors.xero.connector import XeroConnector
from connectors.xero.table import ENDPOINTS

__all__ = ["ENDPOINTS", "XeroConnector"]
