"""A local Xero over real HTTP, for demo, tests and bench; it imports nothing of ours."""
