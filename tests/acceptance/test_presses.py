"""Presses through real processes: never lost, never doubled, whoever sends them, whoever else waits."""

import base64
import json
import re
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import pytest

from ledgertide.api import Door
from sync.services import Services
from tests.acceptance.conftest import Customer
from tests.acceptance.running import Running, until
from workers.celery import make_app

CONTACTS = "xero.contacts"
# What goes on into Dext is read from Xero first.
OUT_OF_CALLS = ("day limit", "xero first")


def stored(installation: Running, customer: Customer) -> str:
    ended = installation.types("records", customer.slug, CONTACTS)
    assert ended.status == 0, ended.err
    return ended.out


def test_a_hundred_presses_during_a_run_make_exactly_one_more(
    installation: Running, door: Door, customer: Customer
) -> None:
    before = len(customer.runs())
    calls = installation.sandbox.last_call()
    # The first run's answer was chosen before the edit, and is on its way until all have pressed.
    installation.sandbox.faults("held", endpoint="Contacts", tenant=customer.tenant_id)
    first = door.sync_now(customer.slug, CONTACTS, by="test")
    until(lambda: not installation.sandbox.faults_left())

    presses = [door.sync_now(customer.slug, CONTACTS, by="test") for _ in range(99)]
    installation.sandbox.edit(
        customer.tenant_id, CONTACTS, count=1, which="first", fields={"Name": "Edited before the last press"}
    )
    last = door.sync_now(customer.slug, CONTACTS, by="test")
    installation.sandbox.clear_faults()

    assert all(press.wait(timedelta(seconds=60)).done for press in (first, *presses, last))
    assert len(customer.runs()) == before + 2
    asked = [call for call in installation.sandbox.calls(after=calls) if call["tenant"] == customer.tenant_id]
    # Meanwhile other lists of this organisation may have become due.
    assert [call["endpoint"] for call in asked].count("Contacts") == 2
    assert "Edited before the last press" in stored(installation, customer)


def test_three_raw_messages_before_it_starts_make_one_run(
    installation: Running, services: Services, door: Door, customer: Customer
) -> None:
    before = len(customer.runs())
    # The provider's own wait: no press cuts it short, so that all three come before the first read.
    installation.sandbox.faults(
        "status",
        status=429,
        headers={"Retry-After": "15", "X-Rate-Limit-Problem": "minute"},
        endpoint="Contacts",
        tenant=customer.tenant_id,
        count=1,
    )
    first = door.sync_now(customer.slug, CONTACTS, by="test")
    until(lambda: first.state().reason == "minute limit")

    app = make_app(installation.settings)
    for _ in range(3):
        app.send_task("sync.now", (customer.slug, CONTACTS))
    app.close()
    until(lambda: customer.line(CONTACTS).asked == first.generation + 3)
    assert not first.state().done, "the run started before all messages had come"

    until(lambda: first.state().done, within=60)
    assert len(customer.runs()) == before + 1
    assert customer.line(CONTACTS).served == first.generation + 3


def test_organisations_out_of_calls_hold_up_nobody(
    installation: Running, door: Door, customer: Customer, poor: list[Customer]
) -> None:
    # More feeds wait than all workers together have places.
    for one in poor:
        installation.sandbox.limits(one.tenant_id, day=1, day_window=11 * 3600)
        for press in door.sync_all(one.slug, by="test"):
            until(lambda press=press: press.state().done or press.state().reason in OUT_OF_CALLS)

    answered = door.sync_now(customer.slug, CONTACTS, by="test").wait(timedelta(seconds=60))

    assert answered.done
    waiting = [line for one in poor for line in one.lines() if line.state == "waiting for rate limit"]
    assert len(waiting) > 8 + 4
    newest = customer.runs()[0]
    assert newest.asked_by == "test"
    # Nothing of it stood in a queue: what waits is a row.
    until(lambda: re.search(r"now 0, upkeep \d+, sync 0", installation.types("doctor").out))


def test_a_press_that_only_a_person_can_bring_on_says_so(installation: Running, lonely: Customer) -> None:
    revoke(installation, lonely)

    ended = installation.types("sync-now", lonely.slug, CONTACTS, "--wait")

    assert ended.status == 1
    assert "grant expired" in ended.err
    assert "Traceback" not in ended.err
    doctor = installation.types("doctor")
    assert doctor.status == 1
    assert f"ledgertide connect xero --name {lonely.slug}" in doctor.out


def revoke(installation: Running, customer: Customer) -> None:
    """As the organisation's owner would, in Xero."""
    app = installation.sandbox.grants()
    token = next(
        grant["refresh_token"]
        for grant in app["grants"]
        if customer.tenant_id in {tenant["tenant_id"] for tenant in grant["tenants"]}
    )
    basic = base64.b64encode(f"{app['client_id']}:{app['client_secret']}".encode()).decode()
    answer = installation.sandbox.call(
        "POST", "/connect/revocation", {"Authorization": f"Basic {basic}"}, f"token={token}".encode()
    )
    assert answer.status == 200


def test_a_press_while_redis_is_away_is_kept_and_starts_when_it_is_back(
    installation: Running, customer: Customer
) -> None:
    elsewhere = {"LEDGERTIDE_REDIS_URL": "redis://:nobody@127.0.0.1:1/0"}

    ended = installation.types("sync-now", customer.slug, CONTACTS, **elsewhere)

    assert ended.status == 0
    assert "starts when the queue is back" in ended.out
    pressed = customer.line(CONTACTS).asked
    until(lambda: customer.line(CONTACTS).served >= pressed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sync-now", "{near}", CONTACTS), "Did you mean {slug}"),
        (("sync-now", "{slug}", "contacts"), "Did you mean xero.contacts?"),
        (("records", "{slug}", "xero.contract"), "Did you mean xero.contacts?"),
        (("sync-all", "{near}"), "Did you mean {slug}"),
        (("doctor", "--live", "{near}"), "Did you mean {slug}"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    installation: Running, customer: Customer, words: tuple[str, ...], said: str
) -> None:
    names = {"slug": customer.slug, "near": customer.slug[1:]}

    ended = installation.types(*(word.format(**names) for word in words))

    assert ended.status == 1
    assert said.format(**names) in ended.out + ended.err
    assert "Traceback" not in ended.err


def test_records_are_what_the_provider_gave(installation: Running, customer: Customer) -> None:
    rates = installation.types("records", customer.slug, "xero.tax_rates").out.splitlines()

    dump = installation.sandbox.dump(customer.tenant_id, "xero.tax_rates")
    assert sorted(json.loads(rate)["TaxType"] for rate in rates) == sorted(rate["TaxType"] for rate in dump)
    there = re.sub(rb"\s+", b" ", installation.sandbox.dump_bytes(customer.tenant_id, "xero.tax_rates"))
    assert all(re.sub(r"\s+", " ", rate).encode() in there for rate in rates)


class TestFlower:
    def test_nobody_comes_in_without_credentials(self, installation: Running) -> None:
        for path in ("/", "/api/workers", "/api/task/async-apply/sync.now"):
            assert self.ask(installation, path, b"{}" if "apply" in path else None)[0] == 401

    def test_an_operator_starts_a_run_and_finds_its_receipt(
        self, installation: Running, customer: Customer
    ) -> None:
        before = customer.line(CONTACTS).asked
        body = json.dumps({"args": [customer.slug, CONTACTS]}).encode()

        status, task = self.ask(installation, "/api/task/async-apply/sync.now", body, signed_in=True)

        assert status == 200
        receipt = until(lambda: self.result(installation, task["task-id"]))
        assert receipt["generation"] == before + 1
        until(lambda: customer.line(CONTACTS).served > before)

    def test_a_refused_press_says_so_in_a_sentence(self, installation: Running) -> None:
        body = json.dumps({"args": ["nobody-here", CONTACTS]}).encode()

        _, task = self.ask(installation, "/api/task/async-apply/sync.now", body, signed_in=True)

        def failure() -> Any:
            _, answer = self.ask(installation, f"/api/task/result/{task['task-id']}", signed_in=True)
            return answer.get("state") == "FAILURE" and answer

        assert "There is no organisation 'nobody-here'" in until(failure)["result"]

    def result(self, installation: Running, task_id: str) -> Any:
        _, answer = self.ask(installation, f"/api/task/result/{task_id}", signed_in=True)
        return answer.get("result") if answer.get("state") == "SUCCESS" else None

    def ask(
        self, installation: Running, path: str, body: bytes | None = None, *, signed_in: bool = False
    ) -> tuple[int, Any]:
        settings = installation.settings
        request = urllib.request.Request(f"http://127.0.0.1:{settings.flower_port}{path}", data=body)
        if signed_in:
            assert settings.flower_password is not None
            pair = f"{settings.flower_user}:{settings.flower_password.get_secret_value()}"
            request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own Flower
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, {}
