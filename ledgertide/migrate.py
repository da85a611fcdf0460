"""Bring a database, and every organisation connected in it, to what this program reads."""

from ledgertide.connect import PROVIDERS, cadences
from store import migrations
from sync.services import SHAPES


def migrate(database_url: str) -> list[str]:
    """Tables, columns, feeds and cadences; safe to run again. Returns what was made.

    Raises NotMigratedError for a database of a later version.
    """
    every = {resource: length for provider in PROVIDERS for resource, length in cadences(provider).items()}
    return migrations.upgrade(database_url, SHAPES.values(), every)
