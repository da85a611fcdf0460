"""The process that listens: `python -m web`."""

import sys

import uvicorn

from config.logging import configure
from config.settings import SettingsError, load_settings
from tasks.process import open_or_exit
from web.app import make_web
from workers.celery import make_app

# Whoever still waits for an answer when the process is told to end.
LAST_ANSWERS_SECONDS = 5


def main() -> int:
    """Listen until told to end; 2 when the settings need attention."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure(settings.log_level)
    services = open_or_exit(make_app(settings))
    try:
        uvicorn.run(
            make_web(services),
            host=settings.web_host,
            port=settings.web_port,
            log_config=None,  # ours holds for everybody
            access_log=False,  # an address may hold a token
            server_header=False,
            timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
        )
    finally:
        services.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
