"""Decisions by the thousand: every third answer lost after the work, processes killed at every step."""
