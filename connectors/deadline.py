"""The total deadline of a call, kept down to each read from the socket.

`requests` only limits the silence between two bytes, so an answer that comes drop by drop never ends. Here
each read from the socket may wait no longer than the call has left.
"""

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

CONNECT_SECONDS = 5.0

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


@contextmanager
def ending_at(ends_at: float) -> Iterator[None]:
    """What this thread sends and reads inside, over `TimedAdapter`, ends by then (monotonic)."""
    token = _ends_at.set(ends_at)
    try:
        yield
    finally:
        _ends_at.reset(token)


class TimedAdapter(HTTPAdapter):
    """Connections that keep to `ending_at`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _TimedReader(io.RawIOBase):
    """A socket's bytes; each read gets what is left of the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, ends_at: float) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._ends_at = ends_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's deadline has passed")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if (ends_at := _ends_at.get()) is not None:
            self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, ends_at))


class _InTime(HTTPConnection):
    """A host may have many addresses: each is tried for no longer than the call has left."""

    def _new_conn(self) -> socket.socket:
        ends_at = _ends_at.get()
        if ends_at is None:
            return super()._new_conn()
        host, timeout = self._dns_host, self.timeout
        failed: Exception | None = None
        try:
            for address in self._addresses(host):
                left = ends_at - time.monotonic()
                if left <= 0:
                    break
                self._dns_host, self.timeout = address, min(CONNECT_SECONDS, left)
                try:
                    sock = super()._new_conn()
                except (ConnectTimeoutError, NewConnectionError) as error:
                    failed = error
                    continue
                # The handshake that may follow has no other limit than the socket's own.
                sock.settimeout(min(CONNECT_SECONDS, max(ends_at - time.monotonic(), 0.001)))
                return sock
        finally:
            self._dns_host, self.timeout = host, timeout
        raise failed or ConnectTimeoutError(self, f"No time was left to connect to {host}")

    def _addresses(self, host: str) -> list[str]:
        try:
            found = socket.getaddrinfo(host.strip("[]"), self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return [host]  # urllib3 asks again and names the failure
        return [str(entry[4][0]) for entry in found]


class _Connection(_InTime):
    response_class = _Response


class _SecureConnection(_InTime, HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
