"""Webhooks by the thousand, half of them about one organisation's one list, on the whole product."""
