"""The sandbox refuses every call over a limit, whichever way its windows run."""

import http.client
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from sandbox.testing import Answer, Sandbox

# So long that a fixed window's reset does not fall into a test that counts.
AGES = 10_000_000


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=3) as sandbox:
        yield sandbox


@pytest.fixture(params=["fixed", "rolling"])
def sandbox(running: Sandbox, request: pytest.FixtureRequest) -> Sandbox:
    running.calm()
    running.limits(style=request.param, minute_window=AGES, day_window=AGES)
    return running


@pytest.fixture
def mine(sandbox: Sandbox) -> str:
    return str(sandbox.tenants()[0]["tenant_id"])


@pytest.fixture
def other(sandbox: Sandbox) -> str:
    return str(sandbox.tenants()[1]["tenant_id"])


@pytest.fixture
def ask(sandbox: Sandbox, mine: str) -> Callable[..., Answer]:
    """Ask for one row of a tenant's contacts; both tenants share a grant."""
    token = sandbox.access_token(mine)

    def get(tenant: str = mine) -> Answer:
        return sandbox.get(tenant, "Contacts", token, page=1, pageSize=1)

    return get


def _is_refused(answer: Answer, problem: str) -> bool:
    headers = answer.headers
    return (
        (answer.status, answer.body) == (429, b"")
        and headers["X-Rate-Limit-Problem"] == problem
        and "Content-Type" not in headers
    )


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_61st_call_of_a_minute_is_refused(ask):
    answers = [ask() for _ in range(60)]

    last = ask()

    assert [answer.status for answer in answers] == [200] * 60
    assert [answers[0].headers["X-MinLimit-Remaining"], answers[59].headers["X-MinLimit-Remaining"]] == [
        "59",
        "0",
    ]
    assert _is_refused(last, "minute")
    assert last.headers["X-MinLimit-Remaining"] == "0"
    assert int(last.headers["Retry-After"]) > 60


def test_one_tenants_calls_leave_another_its_own(sandbox, ask, mine, other):
    sandbox.limits(mine, minute=1)

    assert [ask(mine).status, ask(mine).status] == [200, 429]
    assert ask(other).status == 200
    assert ask(other).headers["X-MinLimit-Remaining"] == "58"


def test_the_call_after_the_days_last_is_refused(sandbox, ask):
    sandbox.limits(day=7)
    answers = [ask() for _ in range(7)]

    last = ask()

    assert {answer.status for answer in answers} == {200}
    assert answers[-1].headers["X-DayLimit-Remaining"] == "0"
    assert _is_refused(last, "day")
    assert int(last.headers["Retry-After"]) > 3600


@pytest.mark.parametrize("place", [0, 1])
def test_a_tenants_day_is_its_tiers(running, place):
    running.calm()
    tenant = running.tenants()[place]
    token = running.access_token(tenant["tenant_id"])

    answer = running.get(tenant["tenant_id"], "Organisation", token)

    assert tenant["day_limit"] == [5000, 1000][place]
    assert answer.headers["X-DayLimit-Remaining"] == str(tenant["day_limit"] - 1)


def test_the_day_after_a_tiers_last_call_of_1000_is_refused(sandbox, ask, other):
    sandbox.limits(other, minute=2000)
    sandbox.spend(other, 999)

    assert [ask(other).status, ask(other).status] == [200, 429]
    assert ask(other).headers["X-Rate-Limit-Problem"] == "day"


def test_the_whole_apps_minute_is_shared_and_its_refusal_promises_no_time(sandbox, ask, mine, other):
    sandbox.limits(app_minute=4)
    answers = [ask(tenant) for tenant in (mine, other, mine, other)]

    last = ask(mine)

    assert {answer.status for answer in answers} == {200}
    assert answers[-1].headers["X-AppMinLimit-Remaining"] == "0"
    assert _is_refused(last, "appminute")
    assert "Retry-After" not in last.headers


def test_the_connections_are_counted_for_the_app_alone(sandbox, mine):
    token = sandbox.access_token(mine)

    answer = sandbox.call("GET", "/connections", {"Authorization": f"Bearer {token}"})

    assert answer.headers["X-AppMinLimit-Remaining"] == "9999"
    assert "X-MinLimit-Remaining" not in answer.headers


def test_the_6th_call_in_flight_is_refused_until_one_has_ended(sandbox, ask, mine, other):
    token = sandbox.access_token(mine)
    sandbox.faults("drip", tenant=mine, count=5, seconds=0.02)
    held = [_begin(sandbox, mine, token) for _ in range(5)]
    _wait_until(lambda: _in_flight(sandbox, mine) == 5)

    sixth, neighbour = ask(mine), ask(other)
    held.pop().close()
    _wait_until(lambda: _in_flight(sandbox, mine) == 4)
    freed = ask(mine)
    for connection in held:
        connection.close()

    assert _is_refused(sixth, "concurrent")
    assert "Retry-After" not in sixth.headers
    assert (neighbour.status, freed.status) == (200, 200)
    _wait_until(lambda: _in_flight(sandbox, mine) == 0)


def _begin(sandbox: Sandbox, tenant: str, token: str) -> http.client.HTTPConnection:
    address = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    headers = {"Authorization": f"Bearer {token}", "xero-tenant-id": tenant, "Accept": "application/json"}
    connection.request("GET", "/api.xro/2.0/Contacts?page=1", headers=headers)
    return connection


def _in_flight(sandbox: Sandbox, tenant: str) -> int:
    return int(sandbox.limits()["tenants"][tenant]["in_flight_now"])


def test_a_refused_call_uses_nothing_up(sandbox, ask, mine):
    sandbox.limits(mine, minute=2)
    for _ in range(5):
        ask()

    sandbox.limits(mine, minute=3)

    assert [ask().status, ask().status] == [200, 429]


def test_calls_are_counted_before_it_is_asked_who_calls(sandbox, ask, mine):
    answer = sandbox.get(mine, "Contacts", "nobodys-token")

    assert answer.status == 401
    assert answer.headers["X-MinLimit-Remaining"] == "59"
    assert ask().headers["X-MinLimit-Remaining"] == "58"


def test_calls_that_others_spend_are_gone_for_us(sandbox, ask, mine):
    sandbox.spend(mine, 55)

    answer = ask()

    assert answer.headers["X-MinLimit-Remaining"] == "4"
    assert answer.headers["X-DayLimit-Remaining"] == "4944"
    assert answer.headers["X-AppMinLimit-Remaining"] == "9944"


def test_after_the_promised_wait_one_more_call_goes_out(sandbox, ask, mine):
    sandbox.limits(mine, minute=2, minute_window=900)
    ask()
    ask()
    refused = ask()

    sandbox.advance(int(refused.headers["Retry-After"]))

    assert refused.status == 429
    assert ask().status == 200


def test_a_fixed_window_forgets_all_at_once_and_a_rolling_one_call_by_call(running):
    running.calm()
    tenant = running.tenants()[0]["tenant_id"]
    freed = {}

    for style in ("fixed", "rolling"):
        running.limits(style=style, minute=2, minute_window=400)
        token = running.access_token(tenant)
        opened = _into_the_window(running, tenant, token) if style == "fixed" else 200
        first = running.get(tenant, "Organisation", token).status
        running.advance(opened)
        second = running.get(tenant, "Organisation", token).status
        running.advance(401 - opened)
        answers = [running.get(tenant, "Organisation", token).status for _ in range(3)]
        freed[style] = answers.count(200)
        assert (first, second) == (200, 200)

    assert freed == {"fixed": 2, "rolling": 1}


def _into_the_window(sandbox: Sandbox, tenant: str, token: str) -> int:
    """Move the clock to just after a fixed window's reset; half of its length is then to be passed."""
    for _ in range(2):
        sandbox.get(tenant, "Organisation", token)
    wait = int(sandbox.get(tenant, "Organisation", token).headers["Retry-After"])
    sandbox.advance(wait + 10)
    return 200


def test_windows_of_another_length_hold_as_real_ones_do(running):
    running.calm()
    running.limits(style="rolling", minute=5, minute_window=300, day=12, day_window=900)
    tenant = running.tenants()[0]["tenant_id"]
    token = running.access_token(tenant)
    problems = []

    for _ in range(3):
        for _ in range(6):
            answer = running.get(tenant, "Organisation", token)
            problems.append(answer.headers.get("X-Rate-Limit-Problem"))
        running.advance(300)

    assert problems == [None] * 5 + ["minute"] + [None] * 5 + ["minute"] + [None] * 2 + ["day"] * 4
