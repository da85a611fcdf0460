"""The sandbox begins the same from the same seed, and goes on where it was from a state file."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.endpoints import ENDPOINTS
from sandbox.testing import Sandbox

RESOURCES = [endpoint.resource for endpoint in ENDPOINTS]


def _dumps(sandbox: Sandbox) -> dict[tuple[str, str], bytes]:
    return {
        (each["tenant_id"], resource): sandbox.dump_bytes(each["tenant_id"], resource)
        for each in sandbox.tenants()
        for resource in RESOURCES
    }


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def _of_its_own(**options: int) -> Iterator[Sandbox]:
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "sandbox", "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield Sandbox(process.stdout.readline().removeprefix("sandbox: ").strip())
        finally:
            process.kill()


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_the_same_seed_gives_the_same_data_and_another_another():
    # One forked, one a Python of its own, as sets are ordered otherwise in each.
    with Sandbox.start(organisations=2, seed=11) as one, _of_its_own(organisations=2, seed=11) as same:
        assert _dumps(one) == _dumps(same)
        assert one.grants() == same.grants()
        with Sandbox.start(organisations=2, seed=12) as other:
            assert set(_dumps(other)).isdisjoint(_dumps(one))


def test_lists_do_not_depend_on_the_order_in_which_they_are_asked_for():
    with Sandbox.start(organisations=1) as one, Sandbox.start(organisations=1) as same:
        tenant = one.tenants()[0]["tenant_id"]
        one.edit(tenant, "xero.contacts", "remove", count=50)

        assert one.dump_bytes(tenant, "xero.linked_transactions") == same.dump_bytes(
            tenant, "xero.linked_transactions"
        )


def test_25_organisations_are_of_many_sizes():
    with Sandbox.start(organisations=25) as sandbox:
        grants, tenants = sandbox.grants()["grants"], sandbox.tenants()

        sizes = {
            resource: [len(sandbox.dump(each["tenant_id"], resource)) for each in tenants]
            for resource in ("xero.contacts", "xero.invoices", "xero.quotes", "xero.linked_transactions")
        }

    assert len(tenants) == len({each["tenant_id"] for each in tenants}) == 25
    assert {each["day_limit"] for each in tenants} == {1000, 5000}
    assert any(len(grant["tenants"]) > 1 for grant in grants)
    assert len(grants) > 5
    assert max(sizes["xero.contacts"]) > 2000 < max(sizes["xero.invoices"])
    assert max(sizes["xero.quotes"]) > 300 < max(sizes["xero.linked_transactions"])
    assert all(min(counts) == 0 for counts in sizes.values())
    middling = [count for count in sizes["xero.contacts"] if 30 <= count <= 600]
    assert len(middling) > 18
    assert len(set(middling)) > 15


def test_a_stopped_sandbox_goes_on_from_its_state_file(tmp_path):
    with Sandbox.start(organisations=3, state=tmp_path / "state") as sandbox:
        first, second, _ = (each["tenant_id"] for each in sandbox.tenants())
        token = sandbox.access_token(first)
        _make_history(sandbox, first)
        sandbox.advance(600)
        before, clock = _dumps(sandbox), sandbox.control("GET", "clock")["now"]
        used = _used(sandbox, first, token)
        grants, calls = sandbox.grants(), sandbox.last_call()

    with Sandbox.start(organisations=3, state=tmp_path / "state") as sandbox:
        assert _dumps(sandbox) == before
        assert sandbox.grants() == grants
        assert sandbox.last_call() == calls
        assert 0 <= sandbox.control("GET", "clock")["now"] - clock < 60
        assert sandbox.get(second, "Contacts", token).status == 200
        assert sandbox.control("GET", "since")["reading"] == "exclusive"
        assert _used(sandbox, first, token) == used - 1
        assert [fault["kind"] for fault in sandbox.faults_left()] == ["tenant_removed"]


def _make_history(sandbox: Sandbox, tenant: str) -> None:
    sandbox.edit(tenant, "xero.contacts", count=5)
    sandbox.edit(tenant, "xero.contacts", "remove", count=2)
    sandbox.edit(tenant, "xero.invoices", "add", count=3)
    sandbox.edit(tenant, "xero.invoices", "silent")
    sandbox.edit(tenant, "xero.tax_rates", "archive")
    sandbox.edit(tenant, "xero.quotes", visible_after=7200)
    sandbox.edit(tenant, "xero.tracking_options", "add", count=2)
    sandbox.edit(tenant, "xero.tracking_categories", "remove")
    sandbox.edit(tenant, "xero.contacts", "merge")
    sandbox.edit(tenant, "xero.journals", "add", count=2)
    sandbox.limits(tenant, day_window=10_000_000)
    sandbox.since("exclusive")
    sandbox.faults("tenant_removed", tenant=sandbox.tenants()[2]["tenant_id"])


def _used(sandbox: Sandbox, tenant: str, token: str) -> int:
    return int(sandbox.get(tenant, "Contacts", token).headers["X-DayLimit-Remaining"])


def test_records_added_after_a_restart_are_new_ones(tmp_path):
    with Sandbox.start(organisations=1, state=tmp_path / "state") as sandbox:
        tenant = sandbox.tenants()[0]["tenant_id"]
        before = sandbox.edit(tenant, "xero.contacts", "add", count=3)

    with Sandbox.start(organisations=1, state=tmp_path / "state") as sandbox:
        after = sandbox.edit(tenant, "xero.contacts", "add", count=3)
        size = len(sandbox.dump(tenant, "xero.contacts"))

    assert set(before).isdisjoint(after)
    assert size == 180 + 6


def test_a_late_row_of_before_the_restart_is_shown_in_its_time(tmp_path):
    with Sandbox.start(organisations=1, state=tmp_path / "state") as sandbox:
        tenant = sandbox.tenants()[0]["tenant_id"]
        (late,) = sandbox.edit(tenant, "xero.contacts", "add", visible_after=1000)

    with Sandbox.start(organisations=1, state=tmp_path / "state") as sandbox:
        hidden = [row["ContactID"] for row in sandbox.dump(tenant, "xero.contacts")]
        sandbox.advance(1001)
        shown = [row["ContactID"] for row in sandbox.dump(tenant, "xero.contacts")]

    assert late not in hidden
    assert late in shown


def test_a_killed_sandbox_has_lost_no_token_that_it_gave_out(tmp_path):
    sandbox = Sandbox.start(organisations=1, state=tmp_path / "state")
    pair = sandbox.refresh(sandbox.grants()["grants"][0]["refresh_token"]).json()
    sandbox.stop(kill=True)

    with Sandbox.start(organisations=1, state=tmp_path / "state") as again:
        tenant = again.tenants()[0]["tenant_id"]
        assert again.get(tenant, "Contacts", pair["access_token"]).status == 200
        assert again.refresh(pair["refresh_token"]).status == 200


def test_what_changed_is_written_down_within_seconds(tmp_path):
    path = tmp_path / "state"
    sandbox = Sandbox.start(organisations=1, state=path)
    tenant = sandbox.tenants()[0]["tenant_id"]
    sandbox.edit(tenant, "xero.contacts", "remove", count=10)

    _wait_until(path.exists)
    sandbox.stop(kill=True)

    assert path.stat().st_mode & 0o077 == 0
    with Sandbox.start(organisations=1, state=path) as again:
        assert len(again.dump(tenant, "xero.contacts")) == 170


@pytest.mark.parametrize("words", [("--seed", "8"), ("--organisations", "2")])
def test_a_state_file_of_another_sandbox_is_refused(tmp_path, words):
    path = str(tmp_path / "state")
    Sandbox.start(organisations=1, state=Path(path)).stop()

    ended = _run("--port", "0", "--organisations", "1", "--state", path, *words)

    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "another seed or number of organisations" in ended.stderr


def test_a_file_that_is_no_state_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "letter"
    path.write_text("Dear Sir or Madam")

    ended = _run("--port", "0", "--state", str(path))

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert path.read_text() == "Dear Sir or Madam"


def test_a_port_that_is_taken_ends_it_with_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        ended = _run("--port", str(taken.getsockname()[1]))

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "address already in use" in ended.stderr


@pytest.mark.parametrize("words", [("--organisations", "0"), ("--latency-ms", "-1"), ("--colour", "red")])
def test_arguments_that_make_no_sense_end_it(words):
    ended = _run("--port", "0", *words)

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order_when_told_to(number):
    sandbox = Sandbox.start(organisations=1)
    assert sandbox.process is not None

    os.kill(sandbox.process.pid, number)

    sandbox.process.join(20)
    assert sandbox.stop() == 0


@pytest.mark.parametrize("end", ["sys.exit()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_it_ends_with_the_process_that_wanted_it(end):
    script = (
        "import os, signal, sys; from sandbox.testing import Sandbox;"
        f"print(Sandbox.start(organisations=1).process.pid, flush=True); {end}"
    )
    starter = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )

    _wait_until(lambda: not _is_alive(int(starter.stdout)))


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_latency_is_added_to_every_answer():
    with Sandbox.start(organisations=1, latency_ms=80) as sandbox:
        tenant = sandbox.tenants()[0]["tenant_id"]
        token = sandbox.access_token(tenant)
        sandbox.get(tenant, "Contacts", token)

        seconds: list[Any] = [call["seconds"] for call in sandbox.calls()]

    assert all(each >= 0.08 for each in seconds)


def test_the_client_secret_can_be_given():
    with Sandbox.start(organisations=1, client_secret="open-sesame") as sandbox:
        assert sandbox.grants()["client_secret"] == "open-sesame"
        assert sandbox.access_token(sandbox.tenants()[0]["tenant_id"])
