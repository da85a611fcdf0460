"""Flower behind sign-in: `python -m workers.flower`. Without a password it does not start."""

import sys

import flower.options  # noqa: F401 - defines the option that is set below
from tornado.options import options

from config.settings import SettingsError, load_settings
from workers.celery import own_app

# Flower keeps every task in memory: about 5 kB each.
MOST_TASKS = 20_000


def main() -> int:
    """Serve Flower on this machine; operators sign in, and start tasks through its HTTP API."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if settings.flower_password is None:
        sys.stderr.write(
            "Flower does not start without a password: set LEDGERTIDE_FLOWER_PASSWORD "
            "(8 characters or more); the name to sign in with is LEDGERTIDE_FLOWER_USER.\n"
        )
        return 2
    # Not on the command line, which everybody on the machine can read.
    options.basic_auth = [f"{settings.flower_user}:{settings.flower_password.get_secret_value()}"]
    app = own_app(settings)
    app.start(
        ["flower", "--address=127.0.0.1", f"--port={settings.flower_port}", f"--max_tasks={MOST_TASKS}"]
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
