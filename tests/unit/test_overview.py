"""Many feeds at a glance: states in their order, reasons with counts, the worst first."""

import re
from pathlib import Path

from ledgertide.overview import NEED_EYES, STATES, group
from tests.unit.test_cli_live import feed

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


def test_the_states_are_those_that_the_runbook_explains() -> None:
    section = RUNBOOK.read_text().partition("## States of a feed")[2].partition("##")[0]

    explained = re.findall(r"^\| ([a-z ]+) \|", section, re.MULTILINE)

    assert explained[1:] == list(STATES)
    assert set(STATES) > NEED_EYES


def test_each_state_is_one_group_with_its_reasons_counted() -> None:
    lines = [
        feed(1, "retrying", "back-off"),
        feed(2, "up to date"),
        feed(3, "retrying", "provider unavailable"),
        feed(4, "retrying", "back-off"),
    ]

    fresh, retrying = group(lines)

    assert (fresh.state, fresh.feeds, fresh.why, fresh.worst) == ("up to date", 1, "", ())
    assert (retrying.state, retrying.feeds) == ("retrying", 3)
    assert retrying.why == "2 back-off, 1 provider unavailable"


def test_of_those_that_need_eyes_the_latest_come_first_and_few_at_most() -> None:
    lines = [feed(number, "retrying", "back-off", late=number) for number in range(600)]

    (retrying,) = group(lines, worst=3)

    assert [line.organisation.rpartition("-")[2] for line in retrying.worst] == ["599", "598", "597"]
