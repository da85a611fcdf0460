"""What Xero lets a client change: a document's status and reference, its notes and its files."""
