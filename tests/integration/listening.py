"""The room `web` over real HTTP, on services of the test's own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sync.services import Services
from tests.integration.workers import wait_until
from web.app import make_web


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
