"""Decisions by the thousand: every third answer lost after the work, workers killed at every step."""
