"""The command line: `ledgertide`, or `python -m ledgertide`."""

from ledgertide.cli.app import main

__all__ = ["main"]
