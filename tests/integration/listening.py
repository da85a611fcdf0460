"""The room `web` over real HTTP, on services of the test's own, and what it answers to deliveries."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn

from sync.services import Services
from tests.integration.workers import wait_until
from web.app import make_web

# No answer in time, or that a delivery could not be stored in time: no more than a stall, and it comes again.
PUT_OFF = {0, 503}
# After so long, instead of minutes or hours.
AGAIN = {"again_seconds": 1}


@contextmanager
def listening(services: Services) -> Iterator[str]:
    """Serve every door on a free port; gives the address."""
    config = uvicorn.Config(make_web(services), host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="web")
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "the web process listens")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def answered(subscribe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a provider found that asked who is there; it asks anew while one of its questions was put off."""
    found: dict[str, Any] = {}

    def is_answered() -> bool:
        found.update(subscribe())
        return PUT_OFF.isdisjoint(each["status"] for each in found["asked"])

    wait_until(is_answered, "every question of the provider's was answered")
    return found


def answers(posted: Sequence[dict[str, Any]], *kinds: str) -> set[int]:
    """How deliveries of these kinds were answered, those left out that were put off and came again."""
    return {each["status"] for each in posted if each["kind"] in kinds} - PUT_OFF
