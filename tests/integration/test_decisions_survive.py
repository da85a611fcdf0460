"""Decisions whose worker dies at every step, while every third answer is lost after the work was done."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bench.decisions.proof import prove
from config import points
from config.points import POINTS
from store.decisions import DecisionLine, File, Push
from tests.integration.engine import Engine
from tests.integration.papers import Papers

INVOICES = "xero.invoices"
# Those of a worker: between them lies every call that it makes.
IN_WORK = [name for name in POINTS if name.startswith("decision.") and name != "decision.recorded"]


class Killed(BaseException):
    """The worker is gone: nothing of it goes on, and what it had not committed is lost."""


@pytest.fixture
def death() -> Iterator["Death"]:
    made = Death()
    points.watch(made.met)
    yield made
    points.watch(None)


class Death:
    """Waits at one point for whoever comes by first."""

    def __init__(self) -> None:
        self.point = ""
        self.struck: list[str] = []

    def waits(self, point: str) -> None:
        self.point = point

    def met(self, point: str) -> None:
        if point == self.point:
            self.point = ""
            self.struck.append(point)
            raise Killed


def test_whoever_dies_wherever_each_decision_is_applied_once_with_its_note_and_file(
    shared_engine: Engine, death: Death
) -> None:
    [slug] = shared_engine.connect(resources=[INVOICES], which=[3])
    papers = Papers(shared_engine, slug)
    waiting = papers.made("bill", count=3 * len(IN_WORK), HasAttachments=False)
    papers.read("bill")
    for method in ("POST", "PUT", "GET"):
        shared_engine.sandbox.faults("lost_answer", endpoint="Invoices", method=method, every=3, count=10**6)
    decided = []

    for point in IN_WORK:
        for _ in range(3):  # an answer that is lost may lead past the point
            if point not in death.struck:
                death.waits(point)
                decided.append(waiting.pop())
                line = decide(shared_engine, slug, decided[-1])
                assert (line.outcome, line.finished) == ("confirmed", True), (point, line)

    assert death.struck == list(IN_WORK)
    written = shared_engine.sandbox.writes(papers.tenant)
    applied = {name: written["applied"][name] for name in decided}
    assert applied == {name: {"AUTHORISED": 1} for name in decided}
    assert {name: len(written["notes"][name]) for name in decided} == dict.fromkeys(decided, 1)
    assert {name: written["files"][name] for name in decided} == {name: ["audit.pdf"] for name in decided}
    there, stored = shared_engine.at_provider(slug, INVOICES), shared_engine.parsed(slug, INVOICES)
    assert {name: stored[name] for name in decided} == {name: there[name] for name in decided}


def test_real_workers_that_are_killed_leave_each_decision_applied_once(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    result = prove(
        database_url, redis_url, tmp_path, wanted=12, workers=2, patience=100, seed=5, dies_within=12
    )

    assert result.flaws == []
    assert result.outcomes.total() == 12
    assert result.outcomes.keys() <= {"confirmed", "conflict"}
    assert result.lost_answers > 0
    assert result.kills.total() > 0


def decide(engine: Engine, slug: str, document: str) -> DecisionLine:
    """Approve it with a note and a file; whoever dies is followed, once the lease has run out."""
    file = File("audit.pdf", "application/pdf", b"%PDF")
    message = engine.decide(slug, "bill", document, "approve", note="ok", files=[file])
    for _ in range(20):
        with suppress(Killed):
            engine.push(message)
        line = engine.decision(slug, message.id)
        if line.finished:
            break
        engine.services.database.clock_offset += timedelta(minutes=1)
        [message] = [each for each in engine.tick() if isinstance(each, Push)]
    return line
