"""What `make demo` does: read all, edit at the provider, press, and compare every record."""
