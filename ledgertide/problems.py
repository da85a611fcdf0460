"""What ends a command: a sentence that says what is wrong and what to do."""


class CommandError(Exception):
    """A command cannot do what was asked."""
