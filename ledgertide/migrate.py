"""Bring a database, and every organisation connected in it, to what this program reads."""

from collections.abc import Mapping
from datetime import timedelta

from ledgertide.connect import cadences
from store import migrations
from sync.services import SHAPES


def migrate(database_url: str, given: Mapping[str, timedelta]) -> list[str]:
    """Tables, columns, feeds and cadences; safe to run again. Returns what was made.

    `given`: the operator's own cadences. Raises NotMigratedError for a database of a later version.
    """
    return migrations.upgrade(database_url, list(SHAPES.values()), cadences(given))
