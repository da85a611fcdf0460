"""Query parameters that several of Xero's lists share."""

# Oldest change first: what a list ordered by anything else cannot give, seek paging checks and refuses.
BY_CHANGE = {"order": "UpdatedDateUTC ASC"}

# Without it an archived record is simply missing, and stays active in every copy.
# https://github.com/singer-io/tap-xero/issues/59
ARCHIVED_TOO = {"includeArchived": "true"}

# Unit amounts with four decimals; without it Xero rounds them to two.
FOUR_DECIMALS = {"unitdp": "4"}

# Of all parameters, those that a question for one record takes as well.
FOR_ONE = frozenset(FOUR_DECIMALS)
