"""The real servers that tests run against: Redis, PostgreSQL, SQLite."""
