"""Xero's lists on their way into Dext: what is sent, when, and what Dext made of it."""
