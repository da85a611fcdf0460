"""Bytes over HTTP within a total deadline: one pooled session per process, and nothing else by itself.

No proxy and no password from the environment, no cookies, no redirects, no silent repeats.
"""

import http.client
import io
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
from requests import exceptions as failures
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from connectors.errors import BrokenAnswerError, ConfigurationError, ConnectorError, TransientError

TOTAL_DEADLINE = timedelta(seconds=30)
CONNECT_SECONDS = 5.0
# A page of 1,000 documents with many lines has a few MiB.
LARGEST_BODY = 64 * 2**20
PIECE = 64 * 2**10

Session = TypeVar("Session", bound=requests.Session)


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status. Names of headers are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests; one object serves all threads of a process."""

    def __init__(
        self,
        *,
        deadline: timedelta = TOTAL_DEADLINE,
        largest_body: int = LARGEST_BODY,
        connections: int = 50,
    ) -> None:
        self._deadline = deadline
        self._largest_body = largest_body
        self._adapter = _Adapter(pool_maxsize=connections, max_retries=Retry(0, read=False))
        self._session = self.prepare(_Session())

    def get(self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """One GET, its body read whole; TransientError when no answer came whole and in time."""
        with self.in_time():
            response = self._session.get(
                url, params=params, headers=headers, timeout=self.timeout, allow_redirects=False, stream=True
            )
            with response:
                return Answer(response.status_code, response.headers, self._read(response))

    @property
    def timeout(self) -> tuple[float, float]:
        """For connecting, and for the silence between two bytes; `in_time` keeps the total."""
        total = self._deadline.total_seconds()
        return min(CONNECT_SECONDS, total), total

    def prepare(self, session: Session) -> Session:
        """Give a session our habits and our pool."""
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers["User-Agent"] = "ledgertide"
        session.mount("https://", self._adapter)
        session.mount("http://", self._adapter)
        return session

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """All that is sent and read inside ends within the deadline; what fails becomes a ConnectorError."""
        ends_at = time.monotonic() + self._deadline.total_seconds()
        token = _ends_at.set(ends_at)
        try:
            yield
        except failures.RequestException as failure:
            # It remembers the request with its headers, and so the access token; some quote a header.
            failure.request = failure.response = None
            cause = None if isinstance(failure, failures.InvalidHeader) else failure
            raise _what_failed(failure, late=time.monotonic() >= ends_at) from cause
        finally:
            _ends_at.reset(token)

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        for piece in response.iter_content(PIECE):
            body += piece
            if len(body) > self._largest_body:
                raise TransientError(
                    f"The provider's answer is larger than {self._largest_body // 2**20} MiB,"
                    " so it was not read. Please report this.",
                    code="answer_too_large",
                )
        return bytes(body)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer leads elsewhere: `requests` would read a redirect's whole body even to refuse it."""


def _what_failed(failure: failures.RequestException, *, late: bool) -> ConnectorError:
    match failure:
        case failures.InvalidURL() | failures.MissingSchema() | failures.InvalidSchema():
            return ConfigurationError("The provider's address is not a URL. Check the settings.")
        case failures.InvalidHeader():
            return ConfigurationError("A header of ours is malformed. Check the token and the tenant id.")
        case failures.ContentDecodingError():
            return BrokenAnswerError("The provider's answer cannot be unpacked. It is asked again by itself.")
        case failures.SSLError():
            return TransientError(
                "The provider's certificate cannot be trusted, or the connection was cut while it was shown."
                " It is tried again later.",
                code="tls",
            )
        case _ if late or isinstance(failure, failures.Timeout):
            return TransientError(
                "The provider did not answer in time. It is tried again later.", code="timeout"
            )
    return TransientError(
        "The connection to the provider was refused or cut. It is tried again by itself.",
        code="connection_lost",
        at_once=True,
    )


# --- The total deadline. `requests` only limits the silence between two bytes, so an answer that comes
# --- drop by drop never ends. Here each read from the socket may wait no longer than the call has left.

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


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


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
