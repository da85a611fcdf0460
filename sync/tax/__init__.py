"""Whether Dext's tax list agrees with Xero's: for the whole list, and for the lines of one bill."""
