"""`python -m ledgertide` is the command `ledgertide`."""

from ledgertide.cli import main

if __name__ == "__main__":
    main()
