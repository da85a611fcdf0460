"""The providers' APIs over HTTP: one call in, a page of records or a named error out."""
