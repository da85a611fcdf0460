"""Makes believable records, one generator for each list; the same seed makes the same bytes."""
