"""HTTP: what comes in from the providers, and how the house fares."""
