"""How fresh each kind of data should be, as data."""

from collections.abc import Mapping
from datetime import timedelta

# Source: the mission's own promise, and what people know from comparable products
# (reference data every 2 hours, documents every hour).
REFERENCE = timedelta(hours=2)
DOCUMENTS = timedelta(hours=1)


def cadence_of(resource: str, given: Mapping[str, timedelta], *, reference: bool) -> timedelta:
    """How often a resource is read: as an operator's settings say, or as its kind is."""
    return given.get(resource, REFERENCE if reference else DOCUMENTS)


# The regular comparison of a whole list with the store: daily from spare budget,
# as ordinary scheduled work once it is a week old. It finds what changed-since reads
# cannot show: silent edits and untold deletions.
COMPARISON = timedelta(days=1)
COMPARISON_AT_THE_LATEST = timedelta(days=7)
