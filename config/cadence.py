"""How fresh each kind of data should be, as data."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

# Source: the mission's own promise, and what people know from comparable products
# (reference data every 2 hours, documents every hour).
REFERENCE = timedelta(hours=2)
DOCUMENTS = timedelta(hours=1)
# Dext's lists only mirror the accounting software's, which Dext itself takes over once a day.
# https://support.approvalmax.com/portal/en/kb/articles/how-often-is-data-synced-with-receiptbank
REFERENCE_OF: Mapping[str, timedelta] = MappingProxyType({"dext": timedelta(hours=24)})


def cadence_of(resource: str, given: Mapping[str, timedelta], *, reference: bool) -> timedelta:
    """How often a resource is read: as an operator's settings say, or as its provider and its kind are."""
    of_its_kind = REFERENCE_OF.get(resource.partition(".")[0], REFERENCE) if reference else DOCUMENTS
    return given.get(resource, of_its_kind)


# The regular comparison of a whole list with the store: daily from spare budget,
# as ordinary scheduled work once it is a week old. It finds what changed-since reads
# cannot show: silent edits and untold deletions.
COMPARISON = timedelta(days=1)
COMPARISON_AT_THE_LATEST = timedelta(days=7)
# Dext's lists are sent whole once a week, besides what changed each day: what somebody archived there by
# hand comes back, and what nobody remembers having sent goes.
FULL_PUSH = timedelta(days=7)
