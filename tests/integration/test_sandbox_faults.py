"""What goes wrong with the sandbox when it is asked to go wrong, and only then."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from sandbox.testing import Answer, Sandbox, SandboxError


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.calm()
    return running


@pytest.fixture
def tenants(sandbox: Sandbox) -> tuple[str, str]:
    """Two organisations of one grant."""
    first, second = sandbox.grants()["grants"][0]["tenants"]
    return first["tenant_id"], second["tenant_id"]


@pytest.fixture
def ask(sandbox: Sandbox, tenants: tuple[str, str]) -> Callable[..., Answer]:
    token = sandbox.access_token(tenants[0])

    def get(path: str = "Contacts", tenant: str = tenants[0], since: str | None = None) -> Answer:
        headers = {"If-Modified-Since": since} if since else None
        return sandbox.get(tenant, path, token, headers, page=1)

    return get


def _rows(answer: Answer) -> list[str]:
    return [row["ContactID"] for row in answer.json()["Contacts"]]


def test_a_status_comes_with_the_headers_and_the_body_asked_for(sandbox, ask):
    sandbox.faults(
        "status", status=500, headers={"X-Odd": "1", "Content-Type": "text/html"}, body="<h1>Oops</h1>"
    )

    answer, next_one = ask(), ask()

    assert (answer.status, answer.body) == (500, b"<h1>Oops</h1>")
    assert (answer.headers["X-Odd"], answer.headers["Content-Type"]) == ("1", "text/html")
    assert next_one.status == 200


def test_an_offline_organisation_says_so_in_plain_text_and_no_other_is_concerned(sandbox, ask, tenants):
    sandbox.faults("status", status=503, tenant=tenants[0])

    other, mine = ask(tenant=tenants[1]), ask()

    assert (other.status, mine.status) == (200, 503)
    assert mine.headers["Content-Type"].startswith("text/plain")
    assert mine.body == b"The Xero API is currently offline for maintenance"


def test_a_429_of_any_kind_can_be_sent(sandbox, ask):
    sandbox.faults("status", status=429, headers={"X-Rate-Limit-Problem": "day", "Retry-After": "66975"})

    answer = ask()

    assert (answer.status, answer.body) == (429, b"")
    assert (answer.headers["X-Rate-Limit-Problem"], answer.headers["Retry-After"]) == ("day", "66975")


def test_a_fault_skips_calls_and_lasts_for_its_count_at_its_endpoint(sandbox, ask):
    sandbox.faults("status", status=500, endpoint="Contacts", skip=2, count=2)

    statuses = [(ask("Quotes").status, ask("Contacts").status) for _ in range(5)]

    assert statuses == [(200, 200), (200, 200), (200, 500), (200, 500), (200, 200)]


def test_faults_are_listed_until_used_up_and_can_be_cleared(sandbox, ask):
    sandbox.faults("empty", count=2)
    sandbox.faults("html", endpoint="Quotes")
    ask()

    left = [(fault["kind"], fault["count"]) for fault in sandbox.faults_left()]
    sandbox.clear_faults()

    assert left == [("empty", 1), ("html", 1)]
    assert sandbox.faults_left() == []
    assert ask().status == 200


def test_an_empty_body_comes_with_200(sandbox, ask):
    sandbox.faults("empty")

    answer = ask()

    assert (answer.status, answer.body) == (200, b"")


def test_an_html_page_comes_with_200(sandbox, ask):
    sandbox.faults("html")

    answer = ask()

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_truncated_json_is_as_long_as_its_header_says(sandbox, ask):
    whole = ask()
    sandbox.faults("truncated")

    answer = ask()

    assert answer.status == 200
    assert len(answer.body) == int(answer.headers["Content-Length"]) < len(whole.body)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_cut_answer_is_shorter_than_its_header_says(sandbox, ask):
    sandbox.faults("cut")

    with pytest.raises(http.client.IncompleteRead) as caught:
        ask()

    assert caught.value.partial.startswith(b"{")


def test_a_dripping_answer_begins_and_never_ends(sandbox, tenants):
    token = sandbox.access_token(tenants[0])
    sandbox.faults("drip", seconds=0.001)
    address = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "xero-tenant-id": tenants[0], "Accept": "application/json"}

    connection.request("GET", "/api.xro/2.0/Organisation", headers=headers)
    response = connection.getresponse()
    told = b""
    while len(told) < 1200:
        told += response.read(1)

    assert response.status == 200
    assert told.startswith(b"{")
    assert told.endswith(b" " * 50)
    response.close()
    connection.close()


def test_a_slow_answer_comes_whole_after_its_time(sandbox, ask):
    sandbox.faults("slow", seconds=0.3)
    began = time.monotonic()

    answer = ask()

    assert time.monotonic() - began >= 0.3
    assert len(_rows(answer)) == 100


def test_a_held_answer_was_chosen_before_and_comes_once_faults_are_cleared(sandbox, ask, tenants):
    sandbox.faults("held")
    before = sandbox.dump(tenants[0], "xero.contacts")[0]["Name"]

    with ThreadPoolExecutor() as pool:
        held = pool.submit(ask)
        while sandbox.faults_left():
            assert not held.done()
        sandbox.edit(tenants[0], "xero.contacts", which="first", fields={"Name": "Edited while it was held"})
        assert not held.done()
        sandbox.clear_faults()
        names = {contact["Name"] for contact in held.result().json()["Contacts"]}

    assert before in names
    assert "Edited while it was held" not in names


def test_a_reset_does_no_work(sandbox, ask, tenants):
    sandbox.faults("reset")
    sandbox.edit(tenants[0], "xero.contacts", after_calls={"endpoint": "Contacts"})
    after = sandbox.last_call()

    with pytest.raises(ConnectionResetError):
        ask()

    (call,) = sandbox.calls(after)
    assert (call["status"], call["fault"]) == (None, "reset")
    assert sandbox.armed_edits()[0]["done"] == 0


def test_a_lost_answer_has_done_its_work(sandbox, ask, tenants):
    sandbox.faults("lost_answer")
    sandbox.edit(tenants[0], "xero.contacts", after_calls={"endpoint": "Contacts"})
    after = sandbox.last_call()

    with pytest.raises(ConnectionResetError):
        ask()

    (call,) = sandbox.calls(after)
    assert (call["status"], call["rows"], call["fault"]) == (200, 100, "lost_answer")
    assert sandbox.armed_edits()[0]["done"] == 1


def test_an_ignored_filter_tells_everything(sandbox, ask):
    since = "2026-03-01T00:00:00"
    usual = ask(since=since)
    sandbox.faults("filter_ignored")

    ignored = ask(since=since)

    assert ignored.json()["pagination"]["itemCount"] > usual.json()["pagination"]["itemCount"] > 0
    assert _rows(ignored) == _rows(ask())


def test_a_list_can_be_empty_all_at_once(sandbox, ask):
    sandbox.faults("empty_list")

    answer = ask().json()

    assert answer["Contacts"] == []
    assert answer["pagination"]["itemCount"] == 0


def test_a_short_page_leaves_out_rows_that_it_announced(sandbox, ask):
    usual = ask()
    sandbox.faults("short_page", rows=7)

    short = ask()

    assert short.json()["pagination"] == usual.json()["pagination"]
    assert _rows(short) == _rows(usual)[:93]


def test_rows_can_come_in_the_wrong_order(sandbox, ask):
    usual = ask()
    sandbox.faults("wrong_order")

    assert _rows(ask()) == _rows(usual)[::-1]


def test_the_token_door_and_the_connections_can_fail_too(sandbox, tenants):
    token = sandbox.access_token(tenants[0])
    sandbox.faults("status", endpoint="token", status=400, body='{"error":"invalid_grant"}')
    sandbox.faults("status", endpoint="connections", status=500)

    refreshed = sandbox.refresh(sandbox.grants()["grants"][0]["refresh_token"])
    connected = sandbox.call("GET", "/connections", {"Authorization": f"Bearer {token}"})

    assert (refreshed.status, refreshed.json()) == (400, {"error": "invalid_grant"})
    assert connected.status == 500


def test_a_fault_without_an_endpoint_spares_the_token_door(sandbox, ask):
    sandbox.faults("status", status=500)

    refreshed = sandbox.refresh(sandbox.grants()["grants"][0]["refresh_token"])

    assert (refreshed.status, ask().status) == (200, 500)


def test_faulty_calls_are_counted_like_any_other(sandbox, ask):
    sandbox.limits(style="rolling")  # a fixed minute may begin anew between two calls
    sandbox.faults("status", status=500, count=3)

    left = [ask().headers["X-MinLimit-Remaining"] for _ in range(4)]

    assert left == ["59", "58", "57", "56"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "kind is missing."),
        ({"kind": "flood"}, "kind must be one of"),
        ({"kind": "empty", "endpoint": "Cows"}, "endpoint must be one of"),
        ({"kind": "empty", "tenant": "nobody"}, "There is no tenant nobody."),
        ({"kind": "tenant_removed"}, "tenant is missing."),
        ({"kind": "empty", "count": "two"}, "count must be a number"),
        ({"kind": "empty", "often": 1}, "There is no field often."),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_one_sentence(sandbox, body, sentence):
    with pytest.raises(SandboxError, match=f"^{sentence}"):
        sandbox.control("POST", "faults", body)


@pytest.mark.parametrize(
    ("door", "body", "sentence"),
    [
        ("limits", {"hour": 5}, "There is no field hour."),
        ("limits", {"style": "square"}, "style must be one of fixed, rolling."),
        ("limits", {"minute_window": 0}, "minute_window must be a number of 0.001 or more."),
        ("clock", {}, "advance_seconds is missing."),
        ("clock", {"advance_seconds": -1}, "advance_seconds must be a number of 0 or more."),
        ("spend", {"calls": 3}, "tenant is missing."),
        ("since", {"reading": "backwards"}, "reading must be one of exclusive, inclusive."),
        ("calm", {"down": True}, "There is no field down."),
    ],
)
def test_every_control_door_refuses_what_it_does_not_know(sandbox, door, body, sentence):
    with pytest.raises(SandboxError, match=f"^{sentence}$"):
        sandbox.control("POST", door, body)


def test_a_client_that_leaves_early_does_no_harm(sandbox, ask, tenants):
    sandbox.faults("slow", seconds=0.05)
    address = urlsplit(sandbox.url)
    token = sandbox.access_token(tenants[0])
    after = sandbox.last_call()

    with socket.create_connection((str(address.hostname), address.port or 0)) as early:
        early.sendall(
            f"GET /api.xro/2.0/Contacts?page=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"xero-tenant-id: {tenants[0]}\r\nAccept: application/json\r\n\r\n".encode()
        )
    deadline = time.monotonic() + 10
    while not sandbox.calls(after):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert sandbox.limits()["tenants"][tenants[0]]["in_flight_now"] == 0
    assert ask().status == 200
