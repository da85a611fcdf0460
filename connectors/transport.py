"""Bytes over HTTP within a total deadline: one pooled session per process, and nothing else by itself.

No proxy and no password from the environment, no cookies, no redirects, no silent repeats.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests
from requests import exceptions as failures
from urllib3 import Retry
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from connectors.deadline import CONNECT_SECONDS, TimedAdapter, ending_at
from connectors.errors import BrokenAnswerError, ConfigurationError, ConnectorError, TransientError

TOTAL_DEADLINE = timedelta(seconds=30)
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
        self._adapter = TimedAdapter(pool_maxsize=connections, max_retries=Retry(0, read=False))
        self._session = self.prepare(_Session())

    def get(self, url: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """One GET, its body read whole; TransientError when no answer came whole and in time."""
        return self.send("GET", url, params=params, headers=headers)

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None = None,
        take: Callable[[bytes], object] | None = None,
        deadline: timedelta | None = None,
    ) -> Answer:
        """One request, its answer read whole; TransientError when none came whole and in time.

        `take` is given the body of a 200 piece by piece, and the answer then holds none of it. But JSON or a
        web page in place of a file stays in the answer, for whoever judges it.
        """
        with self.in_time(deadline):
            response = self._session.request(
                method,
                url,
                params=params,
                headers=headers,
                data=body,
                timeout=self._timeout(deadline),
                allow_redirects=False,
                stream=True,
            )
            with response:
                if take is None or response.status_code != 200 or _TALK.match(_type_of(response)):
                    return Answer(response.status_code, response.headers, self._read(response))
                for piece in response.iter_content(PIECE):
                    take(piece)
                return Answer(response.status_code, response.headers, b"")

    @property
    def timeout(self) -> tuple[float, float]:
        """For connecting, and for the silence between two bytes; `in_time` keeps the total."""
        return self._timeout(None)

    def prepare(self, session: Session) -> Session:
        """Give a session our habits and our pool."""
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers["User-Agent"] = "ledgertide"
        session.mount("https://", self._adapter)
        session.mount("http://", self._adapter)
        return session

    @contextmanager
    def in_time(self, deadline: timedelta | None = None) -> Iterator[None]:
        """All that is sent and read inside ends within the deadline; what fails becomes a ConnectorError."""
        ends_at = time.monotonic() + (deadline or self._deadline).total_seconds()
        try:
            with ending_at(ends_at):
                yield
        except failures.RequestException as failure:
            # It remembers the request with its headers, and so the access token; some quote a header.
            failure.request = failure.response = None
            cause = None if isinstance(failure, failures.InvalidHeader) else failure
            raise _what_failed(failure, late=time.monotonic() >= ends_at) from cause

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def _timeout(self, deadline: timedelta | None) -> tuple[float, float]:
        total = (deadline or self._deadline).total_seconds()
        return min(CONNECT_SECONDS, total), total

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


def _type_of(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "")


_TALK = re.compile(r"\s*(?:application/(?:\S+\+)?json|text/html)\b", re.IGNORECASE)


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
                "The provider did not answer in time. It is tried again later.",
                code="timeout",
                unsent=_never_connected(failure),
            )
    return TransientError(
        "The connection to the provider was refused or cut. It is tried again by itself.",
        code="connection_lost",
        at_once=True,
        unsent=_never_connected(failure),
    )


def _never_connected(failure: failures.RequestException) -> bool:
    cause = failure.args[0] if failure.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError | ConnectTimeoutError)
