"""How fresh each kind of data should be, as data."""

from datetime import timedelta

# Source: the mission's own promise, and what people know from comparable products
# (reference data every 2 hours, documents every hour).
REFERENCE = timedelta(hours=2)
DOCUMENTS = timedelta(hours=1)

# The regular comparison of a whole list with the store: daily from spare budget,
# as ordinary scheduled work once it is a week old. It finds what changed-since reads
# cannot show: silent edits and untold deletions.
COMPARISON = timedelta(days=1)
COMPARISON_AT_THE_LATEST = timedelta(days=7)
