"""One call to Dext through the real limiter: what each answer means, what is written once, what a file is."""

import hashlib
import io
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from pydantic import SecretStr

from config.dext import DextSettings
from config.limits import LIMITS, CallClass
from connectors.dext import Call, DextConnector, DextPort, ListEntry, Outcome
from connectors.errors import (
    BrokenAnswerError,
    ConflictError,
    ConnectorError,
    InvalidError,
    NotFoundError,
    PermissionMissingError,
    RateLimitedError,
    RejectedError,
    TokenExpiredError,
    TransientError,
    UnknownOutcomeError,
    UnsupportedError,
)
from connectors.http import Access, ApiClient
from connectors.transport import Transport
from connectors.verdicts import DEXT
from limiter.limiter import Account, Limiter
from tests.integration.test_connector_http import raw_server

URL = "https://dext.test"
ITEMS, JOBS, TAXES = f"{URL}/v1/cost-items", f"{URL}/v1/list-jobs", f"{URL}/v1/lists/tax_rates"
OUTCOME, FILE = f"{ITEMS}/7/outcome", f"{ITEMS}/7/file"
ELSEWHERE = "https://files.test/7?signature=abc"
TOKEN = "a-secret-token-nobody-may-see"
ACCESS = Access(Account("dext", "acme"), SecretStr(TOKEN), "acc_1")
CALL = Call(ACCESS, CallClass.DECISION)
EMPTY = '{"data": [], "page": {"next_cursor": null}}'
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
APPROVED = Outcome("pub_1", "approved", NOW, xero={"type": "bill", "id": "b1"})
ENTRY = ListEntry("xero:tax:INPUT2", "20% (VAT on Expenses)", "INPUT2", attributes={"rate": "20.0000"})
PDF = b"%PDF-1.7 " + b"x" * 200_000


@pytest.fixture
def limiter(redis_url: str) -> Iterator[Limiter]:
    limiter = Limiter(redis_url, LIMITS)
    yield limiter
    limiter.close()


class Dext:
    """Both halves of the adapter over one client, and how long it slept."""

    def __init__(self, limiter: Limiter, url: str = URL, **given: Any) -> None:
        settings = DextSettings(dext_base_url=url, dext_auth_mode="static_bearer", **given)
        api = ApiClient(url, limiter, Transport(), dialect=DEXT, sleep=lambda _: None)
        self.lists, self.port = DextConnector(api, settings), DextPort(api, settings)

    def read(self, resource: str = "dext.items") -> Any:
        cursor = self.lists.begin(resource, None)
        return self.lists.read(resource, cursor, ACCESS, CallClass.SCHEDULED, lambda: None)

    def put(self, count: int = 1, mode: Any = "upsert") -> Any:
        return self.port.put_list("tax_rates", [ENTRY] * count, mode, NOW, "key-1", CALL)


@pytest.fixture
def dext(limiter: Limiter) -> Dext:
    return Dext(limiter)


def failed(call: Any, *arguments: Any) -> Any:
    with pytest.raises(ConnectorError) as caught:
        call(*arguments)
    return caught.value


# --- What each answer means ---

UNKNOWN_RATE = json.dumps(
    {
        "error": {
            "code": "tax_rate_unknown",
            "message": "Tax rate 'GST on imports' is not in the Xero tax list.",
            "fields": [{"path": "line_items[0].tax_rate_external_id", "code": "unknown"}],
            "request_id": "r1",
        }
    }
)


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (401, "", TokenExpiredError, "token_expired"),
        (403, '{"error": {"code": "forbidden"}}', PermissionMissingError, "right_missing"),
        (403, "<html><title>Denied</title></html>", TransientError, "blocked"),
        (404, "", NotFoundError, "not_found"),
        (410, "", NotFoundError, "not_found"),
        (405, "", UnsupportedError, "unsupported"),
        (501, "", UnsupportedError, "unsupported"),
        (409, "{}", ConflictError, "conflict"),
        (422, UNKNOWN_RATE, InvalidError, "invalid"),
        (400, "", RejectedError, "rejected"),
        (408, "", TransientError, "timeout"),
        (429, "", RateLimitedError, "rate_limited"),
        (500, "", TransientError, "server_error"),
        (502, "<html></html>", TransientError, "server_error"),
        (503, "", TransientError, "unavailable"),
        (302, "", TransientError, "redirected"),
        (204, "", TransientError, "unknown_status"),
        (200, '{"errorcode": 401, "errormessage": "no session"}', TokenExpiredError, "token_expired"),
        (200, '{"errorcode": "403", "errormessage": "no"}', PermissionMissingError, "right_missing"),
        (200, '{"errorcode": 429}', RateLimitedError, "rate_limited"),
        (200, '{"errorcode": 500}', TransientError, "server_error"),
        (200, '{"errorcode": 200, "errormessage": "odd"}', RejectedError, "rejected"),
        (200, '{"errors": ["Email has already been taken"]}', RejectedError, "rejected"),
        (200, UNKNOWN_RATE, RejectedError, "rejected"),
        (200, "<html><title>Sign in</title></html>", TransientError, "unexpected_answer"),
        (200, "no JSON", BrokenAnswerError, "broken_answer"),
        (200, '{"data": [', BrokenAnswerError, "broken_answer"),
        (200, "", BrokenAnswerError, "broken_answer"),
    ],
)
@responses.activate
def test_each_answer_has_one_meaning(status, body, error, code, dext):
    responses.get(ITEMS, status=status, body=body, headers={"Location": f"{URL}/elsewhere"})

    refused = failed(dext.read)

    assert type(refused) is error
    assert refused.code == code
    assert refused.calls == len(responses.calls) == (3 if getattr(refused, "at_once", False) else 1)
    assert TOKEN not in str(vars(refused)) + str(refused)


@responses.activate
def test_no_error_inside_is_no_error(dext):
    responses.get(ITEMS, body='{"data": [], "errors": [], "error": null, "page": {"next_cursor": null}}')

    assert dext.read().last


@responses.activate
def test_a_refusal_names_its_message_and_fields(dext):
    responses.put(TAXES, status=422, body=UNKNOWN_RATE)

    refused = failed(dext.put)

    assert refused.provider_words == "Tax rate 'GST on imports' is not in the Xero tax list."
    assert refused.fields == (("line_items[0].tax_rate_external_id", "unknown"),)
    assert len(responses.calls) == 1


@pytest.mark.parametrize(("headers", "wait"), [({}, 60), ({"Retry-After": "7"}, 8)])
@responses.activate
def test_a_429_pauses_the_connection_for_as_long_as_it_says_or_a_minute(headers, wait, dext, limiter):
    responses.get(ITEMS, status=429, headers=headers)

    refused = failed(dext.read)

    assert refused.wait == timedelta(seconds=wait)
    assert failed(dext.read).calls == 0
    assert failed(dext.put).calls == 0
    assert limiter.budget(Account("dext", "other")).paused_for is None


@responses.activate
def test_what_is_left_of_the_minute_lowers_the_budget(dext, limiter):
    responses.get(ITEMS, body=EMPTY, headers={"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "11"})

    dext.read()

    assert limiter.budget(ACCESS.account).minute == 11


# --- Writes ---


@responses.activate
def test_a_list_is_sent_with_its_key_and_comes_back_as_a_job(dext):
    responses.put(TAXES, status=202, json={"job_id": "j1", "status": "queued"})
    responses.get(f"{JOBS}/j1", json={"job_id": "j1", "status": "succeeded", "accepted": 1})

    job = dext.put()
    ended = dext.port.list_job(job.id, CALL)

    sent = responses.calls[0].request
    assert (job.ended, ended.ended, ended.accepted) == (False, True, 1)
    assert sent.headers["Idempotency-Key"] == "key-1"
    assert sent.headers["X-Request-Id"]
    assert json.loads(sent.body) == {
        "mode": "upsert",
        "snapshot_at": "2026-11-22T09:00:00Z",
        "entries": [
            {
                "external_id": "xero:tax:INPUT2",
                "code": "INPUT2",
                "name": "20% (VAT on Expenses)",
                "active": True,
                "attributes": {"rate": "20.0000"},
            }
        ],
    }


@responses.activate
def test_too_many_entries_never_leave_the_house(dext):
    assert failed(dext.put, 501, "replace").code == "too_many_to_replace"
    with pytest.raises(ValueError, match="501 entries"):
        dext.put(501)

    assert len(responses.calls) == 0


@responses.activate
def test_an_outcome_has_a_key_of_its_own_that_fits(dext):
    responses.post(OUTCOME)

    dext.port.report_outcome("7", APPROVED, CALL)

    assert responses.calls[0].request.headers["Idempotency-Key"] == "dext:7:pub_1:approved"
    assert len(APPROVED.key("7" * 200)) <= 128


@responses.activate
def test_a_write_whose_answer_was_lost_is_repeated_with_the_same_key(dext):
    responses.post(OUTCOME, body=requests.ConnectionError("cut"))
    responses.post(OUTCOME, json={"status": "ok"})

    dext.port.report_outcome("7", APPROVED, CALL)

    keys = {call.request.headers["Idempotency-Key"] for call in responses.calls}
    assert (len(responses.calls), len(keys)) == (2, 1)


@pytest.mark.parametrize("answer", [{"status": 500}, {"status": 408}, {"body": "<html>"}, {"body": "{"}])
@responses.activate
def test_a_write_in_doubt_is_never_repeated_unless_that_is_safe(answer, limiter):
    responses.post(OUTCOME, **answer)

    refused = failed(Dext(limiter, dext_writes="once").port.report_outcome, "7", APPROVED, CALL)

    assert type(refused) is UnknownOutcomeError
    assert refused.calls == len(responses.calls) == 1


@pytest.mark.parametrize("last", [{"status": 409}, {"status": 401}, {"status": 429}, {"status": 404}])
@responses.activate
def test_what_is_in_doubt_stays_so_until_a_good_answer(last, dext):
    responses.post(OUTCOME, status=503)
    responses.post(OUTCOME, **last)

    assert type(failed(dext.port.report_outcome, "7", APPROVED, CALL)) is UnknownOutcomeError


def test_a_write_that_never_left_is_repeated_and_no_doubt_about_it(limiter):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    refused = failed(Dext(limiter, url, dext_writes="once").put)

    assert type(refused) is TransientError
    assert (refused.code, refused.calls) == ("connection_lost", 3)


def test_a_write_cut_off_after_it_was_sent_is_in_doubt(limiter):
    with raw_server(lambda _peer: None) as url:
        refused = failed(Dext(limiter, url, dext_writes="once").put)

    assert type(refused) is UnknownOutcomeError
    assert refused.calls == 1


# --- Files ---


@responses.activate
def test_a_file_is_streamed_into_the_sink_and_checked(dext):
    responses.get(FILE, body=PDF, content_type="application/pdf")
    digest, sink = hashlib.sha256(PDF).hexdigest(), io.BytesIO(b"before")
    sink.seek(6)

    got = dext.port.file("7", sink, CALL, sha256=digest.upper())

    assert sink.getvalue() == b"before" + PDF
    assert (got.content_type, got.size, got.sha256) == ("application/pdf", len(PDF), digest)


@responses.activate
def test_a_file_elsewhere_is_fetched_once_and_without_our_headers(dext, limiter):
    responses.get(FILE, status=302, headers={"Location": ELSEWHERE})
    responses.get(ELSEWHERE, body=PDF, content_type="application/pdf")
    sink = io.BytesIO()

    dext.port.file("7", sink, CALL)

    elsewhere = responses.calls[1].request.headers
    assert sink.getvalue() == PDF
    assert not {"Authorization", "X-Request-Id", "Cookie"} & elsewhere.keys()
    assert limiter.budget(ACCESS.account).in_flight == 0


@pytest.mark.parametrize(
    "there",
    [{"status": 302, "headers": {"Location": FILE}}, {"status": 403}, {"status": 401}, {"status": 404}],
)
@responses.activate
def test_where_the_file_is_not_after_all_means_nothing_for_the_connection(there, dext):
    responses.get(FILE, status=302, headers={"Location": ELSEWHERE})
    responses.get(ELSEWHERE, **there)

    refused = failed(dext.port.file, "7", io.BytesIO(), CALL)

    assert (type(refused), refused.code) == (TransientError, "file_unavailable")
    assert len(responses.calls) == 2


@pytest.mark.parametrize("place", ["http://files.test/7", "http://127.0.0.1:80/", "file:///etc/passwd", ""])
@responses.activate
def test_a_file_is_fetched_from_no_unsafe_address(place, dext):
    responses.get(FILE, status=302, headers={"Location": place})

    assert failed(dext.port.file, "7", io.BytesIO(), CALL).code == "file_unavailable"
    assert len(responses.calls) == 1


@responses.activate
def test_a_file_that_is_not_the_announced_one_is_asked_again_from_its_start(dext):
    responses.get(FILE, body=PDF + b"and more", content_type="application/pdf")
    responses.get(FILE, body=PDF, content_type="application/pdf")
    sink = io.BytesIO()

    dext.port.file("7", sink, CALL, sha256=hashlib.sha256(PDF).hexdigest())

    assert sink.getvalue() == PDF


@responses.activate
def test_a_file_larger_than_allowed_is_not_taken(limiter):
    responses.get(FILE, body=b"x" * (2**20 + 1), content_type="application/pdf")

    refused = failed(Dext(limiter, dext_largest_file_mib=1).port.file, "7", io.BytesIO(), CALL)

    assert (type(refused), refused.code) == (RejectedError, "file_too_large")
    assert len(responses.calls) == 1
    assert limiter.budget(ACCESS.account).in_flight == 0


@pytest.mark.parametrize(
    ("body", "kind", "error"),
    [
        ('{"errorcode": 403}', "application/json", PermissionMissingError),
        ('{"ok": true}', "application/json", TransientError),
        ("<html>", "text/html; charset=utf-8", TransientError),
    ],
)
@responses.activate
def test_an_error_is_not_taken_for_the_file(body, kind, error, dext):
    responses.get(FILE, body=body, content_type=kind)
    sink = io.BytesIO()

    assert type(failed(dext.port.file, "7", sink, CALL)) is error
    assert sink.getvalue() == b""


@responses.activate
def test_paths_are_as_configured_and_ids_stay_inside_them(limiter):
    dext = Dext(limiter, dext_paths="item=GET /api/receipts/{id}/whole")
    responses.get(f"{URL}/api/receipts/a%2Fb%3F/whole", status=404)

    with pytest.raises(NotFoundError):
        dext.lists.read_alone("dext.items", "a/b?", ACCESS, CallClass.PRESS, lambda: None)
