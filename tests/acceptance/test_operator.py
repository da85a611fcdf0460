"""What an operator sees and decides beside a running installation."""

import os
import pty
import re
import subprocess
from datetime import timedelta
from typing import Any

import pytest

from config.settings import environment_with
from ledgertide.api import Door
from tests.acceptance.conftest import Customer
from tests.acceptance.running import Running, command, until

CONTACTS = "xero.contacts"


def test_a_mass_vanish_waits_until_a_person_says_what_it_is(
    installation: Running, door: Door, emptied: Customer
) -> None:
    before = emptied.record_ids(CONTACTS)
    vanished = installation.sandbox.edit(emptied.tenant_id, CONTACTS, "remove", count=len(before) // 2)
    read_whole_twice(door, emptied)

    assert feed(installation, emptied)["reason"] == "vanish held"
    assert installation.asks("vanished", emptied.slug, CONTACTS)["ids"] == sorted(vanished)
    assert emptied.record_ids(CONTACTS) == before

    assert "stay" in installation.types("vanished", emptied.slug, CONTACTS, "--dismiss").out
    assert feed(installation, emptied)["state"] == "up to date"
    assert emptied.record_ids(CONTACTS) == before

    read_whole_twice(door, emptied)
    assert "gone" in installation.types("vanished", emptied.slug, CONTACTS, "--apply").out
    assert emptied.record_ids(CONTACTS) == before - set(vanished)
    newest = installation.asks("events", emptied.slug)[-1]
    assert (newest["kind"], sorted(newest["ids"])) == ("gone", sorted(vanished))


def read_whole_twice(door: Door, customer: Customer) -> None:
    for _ in range(2):
        assert door.sync_full(customer.slug, CONTACTS, by="test").wait(timedelta(seconds=30)).done


def feed(installation: Running, customer: Customer) -> dict[str, Any]:
    feeds = installation.asks("feeds", customer.slug)
    return dict(next(one for one in feeds if one["resource"] == CONTACTS))


def test_on_a_terminal_waiting_shows_bars(installation: Running, customer: Customer) -> None:
    shown, status = on_a_terminal(installation, "sync-all", customer.slug, "--wait")

    assert status == 0
    assert "feeds up to date" in shown
    assert re.search(r"(?<!\d)([1-9]\d*)/\1(?!\d)", shown)


def on_a_terminal(installation: Running, *words: str) -> tuple[str, int]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*words),
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        cwd=installation.folder,
        env=environment_with({"TERM": "xterm", "COLUMNS": "150"}),
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # Linux says so when the other side has hung up
        pass
    finally:
        os.close(ours)
    return shown.decode(errors="replace"), process.wait(60)


def test_elsewhere_waiting_is_told_in_plain_lines(installation: Running, customer: Customer) -> None:
    ended = installation.types("sync-now", customer.slug, CONTACTS, "--wait")

    assert ended.status == 0
    assert "\x1b" not in ended.out
    assert ended.out.splitlines()[-2] == f"{customer.slug} {CONTACTS}: up to date"
    assert ended.out.splitlines()[-1].startswith("Up to date after")


@pytest.mark.parametrize("words", [("organisations",), ("feeds",), ("runs", "--limit", "1000")])
def test_what_a_program_reads_is_json_of_all_organisations(
    installation: Running, words: tuple[str, ...]
) -> None:
    found = installation.asks(*words)

    assert len({one.get("organisation") or one["slug"] for one in found}) == 7


def test_the_feeds_of_all_are_told_by_state_and_those_of_one_or_of_a_state_one_by_one(
    installation: Running, customer: Customer
) -> None:
    def both_say_the_same() -> bool:
        of_all = installation.types("feeds").out.splitlines()
        up_to_date = installation.types("feeds", "--state", "up to date").out.splitlines()
        assert len(of_all) < len(up_to_date)
        assert of_all[-1].startswith("One by one: ")
        told = {line.partition("  ")[2].strip(): line.split()[0] for line in of_all if line[:1].isdigit()}
        return int(told["up to date"]) == len(up_to_date) - 1

    # Two looks at an installation that works on: a list may be read in between.
    until(both_say_the_same)
    of_one = installation.types("feeds", customer.slug).out.splitlines()
    assert len(of_one) - 1 == len(installation.asks("feeds", customer.slug))


def test_one_organisations_lines_name_no_other(installation: Running, customer: Customer) -> None:
    lines = [*installation.asks("feeds", customer.slug), *installation.asks("runs", customer.slug)]

    assert {one["organisation"] for one in lines} == {customer.slug}


def test_a_live_doctor_calls_the_provider_and_tells_what_is_left(
    installation: Running, customer: Customer
) -> None:
    calls = installation.sandbox.last_call()

    said = installation.types("doctor", "--live", customer.slug).out

    assert f"ok     live {customer.slug} xero: 1 of xero.organisations read" in said
    assert "this minute" in said
    asked = [call["endpoint"] for call in installation.sandbox.calls(after=calls)]
    assert {"connections", "Organisation"} <= set(asked)
