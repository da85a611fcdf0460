"""What the demo prints: a list that is off says so and counts for nothing, and any difference fails."""

from dataclasses import replace

import pytest

from ledgertide.demo.approvals import Decided
from ledgertide.demo.report import Report, Row, show
from ledgertide.demo.telling import Told

GOOD = Row("xero.contacts", 5, 5, 0, 0, 0, calls=3, refused=0, seconds=1.0)
SHARED = Row("xero.tracking_options", 2, 2, 0, 0, 0, calls=None, refused=0, seconds=1.0)
OFF = Row("xero.journals", 0, 0, 0, 0, 0, calls=0, refused=0, seconds=0.0, off=True)


DECIDED = Decided(3, 2, 1, 1.5)
TOLD = Told(9, 2, 3, 4, 0.8, 2.1)


def report(*rows: Row) -> Report:
    return Report(
        organisations=1,
        rows=list(rows),
        presses=4,
        edits={"edit": 2, "remove": 1},
        read_seconds=2.0,
        press_seconds=1.0,
        cpu_ms_per_call={"worker": 2.5},
        differing=[],
    )


def test_a_list_that_is_off_says_so_and_is_not_missing(capsys: pytest.CaptureFixture[str]) -> None:
    show(report(GOOD, SHARED, OFF))

    said = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith("xero.")}
    assert lines["xero.journals"] == ["off"]
    assert lines["xero.contacts"] == ["5", "5", "0", "0", "0", "3", "0", "1.0"]
    assert lines["xero.tracking_options"][5] == "↑"
    assert "2 edited, 1 removed" in said
    assert said.splitlines()[-1] == "The store equals the provider."


@pytest.mark.parametrize("how", ["missing", "extra", "stale", "refused"])
def test_one_difference_or_refusal_is_enough_to_fail(how: str) -> None:
    assert report(GOOD).is_good
    assert not report(GOOD, replace(SHARED, **{how: 1})).is_good


def test_decisions_and_webhooks_are_told_and_one_flaw_is_enough_to_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = replace(report(GOOD), decided=DECIDED, told=TOLD)
    bad = replace(good, decided=replace(DECIDED, flaws=("acme bill 7: conflict, applied {}.",)))

    show(good)
    show(bad)

    said = capsys.readouterr().out
    assert "3 decisions pushed in 1.5 s: 2 applied once" in said
    assert "4 changes stored, 0.8 s (median)" in said
    assert "acme bill 7" in said.split("The store equals the provider.")[1]
    assert good.is_good
    assert not bad.is_good


def test_nothing_compared_is_not_good() -> None:
    assert not report(OFF).is_good
