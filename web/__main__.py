"""The process that listens: `python -m web`."""

import gc
import sys

import uvicorn
from celery import Celery

from config.logging import configure
from config.settings import SettingsError, load_settings
from tasks.process import open_or_exit
from web.app import make_web
from workers.celery import make_app

# Whoever still waits for an answer when the process is told to end.
LAST_ANSWERS_SECONDS = 5


def main() -> int:
    """The command; 2 when the settings need attention."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    listen(make_app(settings))
    return 0


def listen(app: Celery) -> None:
    """Listen until told to end, with the app's services."""
    settings = app.settings
    configure(settings.log_level)
    services = open_or_exit(app)
    try:
        doors = make_web(services)
        # What is there by now stays. To look through it for garbage took 236 ms, and nobody was answered.
        gc.freeze()
        uvicorn.run(
            doors,
            host=settings.web_host,
            port=settings.web_port,
            log_config=None,  # ours holds for everybody
            access_log=False,  # an address may hold a token
            server_header=False,
            proxy_headers=False,  # nobody asks where a request came from
            timeout_graceful_shutdown=LAST_ANSWERS_SECONDS,
        )
    finally:
        services.close()


if __name__ == "__main__":
    sys.exit(main())
