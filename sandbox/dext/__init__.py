"""A local Dext over HTTP: accounts beside the Xero organisations, with every habit of the contract."""
