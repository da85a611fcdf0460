"""What an operator may change: settings, limits, cadences, log lines."""
