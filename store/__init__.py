"""What we know, in SQL: the queue and the truth."""
