"""One call through the real limiter: what each answer means, what is repeated, and what never leaks."""

import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
from pydantic import SecretStr

from config.limits import LIMITS, CallClass
from connectors.errors import (
    AccessLostError,
    BrokenAnswerError,
    ConfigurationError,
    ConnectorError,
    InvalidError,
    NotFoundError,
    PermissionMissingError,
    RateLimitedError,
    RejectedError,
    TokenExpiredError,
    TransientError,
    UnsupportedError,
)
from connectors.http import Access, ApiClient, Request
from connectors.transport import Answer, Transport
from connectors.xero import XeroConnector
from limiter.limiter import Account, Limiter

XERO = "https://xero.test"
CONTACTS = f"{XERO}/api.xro/2.0/Contacts"
TOKEN = "a-secret-token-nobody-may-see"
ACCOUNT = Account("xero", "acme")
EMPTY = '{"Contacts": []}'


@pytest.fixture
def limiter(redis_url: str) -> Iterator[Limiter]:
    limiter = Limiter(redis_url, LIMITS)
    yield limiter
    limiter.close()


class Caller:
    """Reads contacts as a run would, and counts what happens around it."""

    def __init__(self, limiter: Limiter, url: str = XERO, transport: Transport | None = None) -> None:
        self.slept: list[float] = []
        self.renewals = 0
        self.api = ApiClient(url, limiter, transport, sleep=self.slept.append)
        self.connector = XeroConnector(self.api)

    def read(self, resource: str = "xero.contacts", newest: datetime | None = None) -> Any:
        return self.connector.read(
            resource,
            self.connector.begin(resource, newest),
            Access(ACCOUNT, SecretStr(TOKEN), "tenant-1"),
            CallClass.SCHEDULED,
            self._renew,
        )

    def refused(self) -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            self.read()
        return caught.value

    def _renew(self) -> None:
        self.renewals += 1


@pytest.fixture
def caller(limiter: Limiter) -> Caller:
    return Caller(limiter)


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does to each connection what `answer` says, after it read the request."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                asked = b""
                while b"\r\n\r\n" not in asked and (more := peer.recv(65536)):
                    asked += more
                try:
                    answer(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@contextmanager
def deaf_server(address: str = "127.0.0.1", port: int = 0) -> Iterator[tuple[str, int]]:
    """An address where nobody answers: its queue is full, so whoever wants to connect hears nothing."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind((address, port))
        listener.listen(0)
        first.connect(listener.getsockname())
        yield listener.getsockname()


def resolves(monkeypatch: pytest.MonkeyPatch, name: str, addresses: list[str]) -> None:
    """From now on a name has these addresses."""
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        return [
            entry for one in (addresses if host == name else [host]) for entry in real(one, *rest, **more)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def drip(peer: socket.socket, head: bytes) -> None:
    peer.sendall(head)
    while True:
        peer.sendall(b"a")
        time.sleep(0.05)


# --- What each answer means ---

FORBIDDEN = '{"Title":"Forbidden","Status":403,"Detail":"AuthenticationUnsuccessful"}'
EXPIRED = '{"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired at 08/12/2022"}'
NO_SCOPE = '{"Title":"Unauthorized","Status":401,"Detail":"AuthorizationUnsuccessful"}'
INVALID = (
    '{"Type":"ValidationException","Message":"A validation exception occurred",'
    '"Elements":[{"ValidationErrors":[{"Message":"Name is taken"}]}]}'
)


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (401, EXPIRED, TokenExpiredError, "token_expired"),
        (401, "", TokenExpiredError, "token_expired"),
        (401, NO_SCOPE, PermissionMissingError, "scope_missing"),
        (401, FORBIDDEN, AccessLostError, "access_removed"),
        (403, FORBIDDEN, AccessLostError, "access_removed"),
        (403, NO_SCOPE, PermissionMissingError, "right_missing"),
        (403, "<html><title>Access denied</title></html>", TransientError, "blocked"),
        (404, "", NotFoundError, "not_found"),
        (400, INVALID, InvalidError, "invalid"),
        (400, '{"Type":"HighVolumeException"}', RejectedError, "high_volume"),
        (412, "", RejectedError, "rejected"),
        (302, "", TransientError, "redirected"),
        (304, "", TransientError, "redirected"),
        (204, "", TransientError, "unknown_status"),
        (500, '{"ErrorNumber":500}', TransientError, "server_error"),
        (502, "<html></html>", TransientError, "server_error"),
        (501, "", UnsupportedError, "unsupported"),
        (503, "The Xero API is currently offline for maintenance", TransientError, "unavailable"),
        (200, "", BrokenAnswerError, "broken_answer"),
        (200, "<html><title>Hello</title></html>", BrokenAnswerError, "broken_answer"),
        (200, '{"Contacts": [', BrokenAnswerError, "broken_answer"),
    ],
)
@responses.activate
def test_each_answer_has_one_meaning(status, body, error, code, caller):
    responses.get(CONTACTS, status=status, body=body, headers={"Location": f"{XERO}/elsewhere"})

    refused = caller.refused()

    assert type(refused) is error
    assert refused.code == code
    assert refused.sentence.endswith(".")
    assert refused.calls == len(responses.calls) == (3 if getattr(refused, "at_once", False) else 1)
    assert caller.renewals == refused.calls


@responses.activate
def test_a_missing_scope_may_be_named_in_a_header_alone(caller):
    responses.get(
        CONTACTS, status=401, headers={"WWW-Authenticate": 'Bearer error="insufficient_scope", realm="x"'}
    )

    assert isinstance(caller.refused(), PermissionMissingError)


@responses.activate
def test_an_error_quotes_the_provider_and_cuts_it_short(caller):
    responses.get(CONTACTS, status=400, body=INVALID)
    first = caller.refused()
    responses.replace(responses.GET, CONTACTS, status=400, body="no\n" * 10_000)

    assert first.provider_words == "A validation exception occurred Name is taken"
    assert len(caller.refused().provider_words) == 300


@responses.activate
def test_a_304_to_a_question_for_changes_is_an_empty_page(caller):
    responses.get(CONTACTS, status=304)

    page = caller.read(newest=datetime(2026, 11, 22, tzinfo=UTC))

    assert page.last
    assert page.records == ()


# --- The limiter hears of everything ---


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("minute", "minute limit"),
        ("Day", "day limit"),
        ("appminute", "app limit"),
        ("concurrent", "backlog"),
        ("something new", "minute limit"),
        (None, "minute limit"),
    ],
)
@responses.activate
def test_a_429_is_never_repeated_and_pauses_for_as_long_as_it_says(problem, reason, caller, limiter):
    named = {"X-Rate-Limit-Problem": problem} if problem else {}
    responses.get(CONTACTS, status=429, headers={"Retry-After": "26", **named})

    refused = caller.refused()

    assert isinstance(refused, RateLimitedError)
    assert refused.reason == reason
    assert refused.wait >= timedelta(seconds=26)
    assert len(responses.calls) == 1
    assert limiter.budget(ACCOUNT).reason == reason


@responses.activate
def test_while_the_limiter_says_no_nothing_goes_out(caller):
    responses.get(CONTACTS, status=429, headers={"Retry-After": "26", "X-Rate-Limit-Problem": "minute"})
    caller.refused()

    refused = caller.refused()

    assert isinstance(refused, RateLimitedError)
    assert refused.reason == "minute limit"
    assert refused.calls == 0
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [200, 400])
@responses.activate
def test_what_the_headers_say_is_left_lowers_the_budget(status, caller, limiter):
    responses.get(
        CONTACTS,
        status=status,
        body=EMPTY,
        headers={
            "X-MinLimit-Remaining": "11",
            "X-DayLimit-Remaining": "222",
            "X-AppMinLimit-Remaining": "3333",
        },
    )

    if status == 200:
        caller.read()
    else:
        caller.refused()

    budget = limiter.budget(ACCOUNT)
    assert (budget.minute, budget.day, budget.app_minute, budget.in_flight) == (11, 222, 3333, 0)


def test_without_redis_no_call_is_made(own_redis):
    limiter = Limiter(own_redis.url, LIMITS)
    own_redis.stop()

    with responses.RequestsMock() as provider:
        refused = Caller(limiter).refused()
        assert len(provider.calls) == 0

    limiter.close()
    assert isinstance(refused, TransientError)
    assert refused.code == "limiter_unavailable"


# --- What is repeated ---


@responses.activate
def test_short_trouble_is_repeated_and_each_attempt_asks_first(caller, limiter):
    responses.get(CONTACTS, status=503)
    responses.get(CONTACTS, body="<html>")
    responses.get(CONTACTS, body=EMPTY)

    page = caller.read()

    assert page.calls == caller.renewals == 3
    assert page.bytes == len(EMPTY)
    assert limiter.budget(ACCOUNT).day == LIMITS["xero"].day - 3
    assert all(seconds <= 2 for seconds in caller.slept)


@responses.activate
def test_a_lost_lease_ends_the_attempts_before_a_call_is_taken(limiter):
    def lost() -> None:
        raise LookupError("the lease is lost")

    responses.get(CONTACTS, body=EMPTY)
    api = ApiClient(XERO, limiter)

    with pytest.raises(LookupError):
        api.get(Request("/api.xro/2.0/Contacts"), ACCOUNT, CallClass.SCHEDULED, lost, lambda answer: answer)

    assert len(responses.calls) == 0
    assert limiter.budget(ACCOUNT).in_flight == 0


def test_a_connection_cut_is_repeated(limiter):
    calls = []

    def answer(peer: socket.socket) -> None:
        calls.append(1)
        if len(calls) == 3:
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + EMPTY.encode())

    with raw_server(answer) as url:
        page = Caller(limiter, url).read()

    assert page.calls == len(calls) == 3
    assert limiter.budget(ACCOUNT).in_flight == 2  # who was cut off may still be worked on


def test_a_call_that_never_got_there_is_not_in_flight(limiter):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"

    refused = Caller(limiter, nobody).refused()

    assert (refused.code, refused.calls) == ("connection_lost", 3)
    assert limiter.budget(ACCOUNT).in_flight == 0


def test_a_body_cut_short_is_a_lost_connection(limiter):
    with raw_server(lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")) as url:
        refused = Caller(limiter, url).refused()

    assert refused.code == "connection_lost"
    assert refused.calls == 3


# --- Never too long, never too large ---


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX-Drop: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b""],
    ids=["in the headers", "in the body", "in the status line"],
)
def test_an_answer_that_comes_drop_by_drop_ends_at_the_deadline(head, limiter):
    started = time.monotonic()

    with raw_server(lambda peer: drip(peer, head)) as url:
        refused = Caller(limiter, url, Transport(deadline=timedelta(seconds=0.6))).refused()

    assert refused.code == "timeout"
    assert refused.calls == 1
    assert time.monotonic() - started < 10  # by itself it would never end


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_with_many_silent_addresses_takes_no_longer_than_the_deadline(scheme, monkeypatch):
    transport = Transport(deadline=timedelta(seconds=0.6))

    with deaf_server() as (address, port):
        resolves(monkeypatch, "many.test", [address] * 40)
        started = time.monotonic()
        with pytest.raises(TransientError) as refused:
            transport.get(f"{scheme}://many.test:{port}/", params={}, headers={})
        took = time.monotonic() - started

    assert refused.value.code == "timeout"
    assert took < 10  # of 40 times as long


def test_a_silent_address_leaves_the_next_one_its_turn(monkeypatch):
    monkeypatch.setattr("connectors.deadline.CONNECT_SECONDS", 0.3)

    def answer(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with raw_server(answer) as url:
        port = int(url.rsplit(":", 1)[1])
        with deaf_server("127.0.0.2", port) as (silent, _):
            resolves(monkeypatch, "two.test", [silent, "127.0.0.1"])
            answered = Transport().get(f"http://two.test:{port}/", params={}, headers={})

    assert answered.status == 200


def test_an_answer_too_large_is_not_read(limiter):
    def flood(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.sendall(b" " * 65536)

    with raw_server(flood) as url:
        refused = Caller(limiter, url, Transport(largest_body=2**20)).refused()

    assert refused.code == "answer_too_large"
    assert refused.calls == 1


# --- Nothing from outside, nothing to the outside ---


def test_proxies_of_the_environment_and_cookies_are_left_alone(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    transport = Transport()

    def answer(peer: socket.socket) -> None:
        peer.sendall(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nConnection: close\r\nContent-Length: 16\r\n\r\n"
            + EMPTY.encode()
        )

    with raw_server(answer) as url:
        answered = transport.get(url, params={}, headers={})

    assert answered.status == 200
    assert list(transport._session.cookies) == []


@responses.activate
def test_no_token_stands_in_any_log_or_error(limiter, caplog):
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    for status, body in [(401, EXPIRED), (500, ""), (200, ""), (200, "{"), (429, ""), (400, INVALID)]:
        responses.reset()
        responses.get(CONTACTS, status=status, body=body)
        refused = Caller(limiter).refused()
        said += [*traceback.format_exception(refused), repr(refused), str(vars(refused))]
        said += [str(vars(cause)) for cause in (refused.__cause__, refused.__context__) if cause]
    with raw_server(lambda peer: peer.close()) as url:
        said += traceback.format_exception(Caller(limiter, url).refused())
    said.append(repr(Access(ACCOUNT, SecretStr(TOKEN), "tenant-1")))
    said.append(repr(Request("/", {}, {"Authorization": TOKEN})))

    assert TOKEN not in "".join(said)
    assert TOKEN not in caplog.text


def test_a_malformed_token_is_our_configuration_and_is_not_quoted():
    transport = Transport()

    with pytest.raises(ConfigurationError) as caught:
        transport.get(XERO, params={}, headers={"Authorization": f"Bearer {TOKEN}\n"})

    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_an_answer_knows_its_headers_in_any_case():
    with raw_server(
        lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 0\r\n\r\n")
    ) as url:
        answer: Answer = Transport().get(url, params={}, headers={})

    assert answer.headers.get("x-a") == "b"
