"""A decision comes in by Python, by a task and by the command line, and real workers bring it to Xero."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config.settings import variable
from ledgertide.deciding import decide, file_of
from schedules.tick import Ticker
from tasks.enqueue import SyncRefusedError
from tests.integration.engine import KEYS, Engine
from tests.integration.papers import Papers
from tests.integration.workers import WORKER_MARK, Queues, app_of, wait_until, worker
from tests.services.operator import Operator, operator

__all__ = ["operator"]
SOON = timedelta(seconds=60)
INVOICES = "xero.invoices"


@pytest.fixture
def papers(shared_engine: Engine) -> Papers:
    mine, _ = shared_engine.connect(resources=[INVOICES], which=[1, 3])
    return Papers(shared_engine, mine)


@pytest.fixture
def variables(papers: Papers, database_url: str, redis_url: str) -> dict[str, str]:
    """What a command of ours finds in its environment."""
    settings = papers.engine.services.settings
    values = {
        "database_url": database_url,
        "redis_url": redis_url,
        "secret_keys": KEYS,
        "xero_client_id": settings.xero_client_id,
        "xero_client_secret": settings.xero_client_secret.get_secret_value(),
        "xero_api_url": settings.xero_api_url,
        "xero_identity_url": settings.xero_identity_url,
    }
    return {variable(name): value for name, value in values.items()}


@WORKER_MARK
def test_every_door_leads_to_xero_and_says_what_became_of_it(
    papers: Papers, operator: Operator, variables: dict[str, str], tmp_path: Path
) -> None:
    by_python, by_task, by_command, refused = papers.made("bill", count=4)
    papers.read("bill")
    words = "Contact has been archived"
    papers.engine.sandbox.refuse(papers.tenant, refused, words)
    (tmp_path / "audit report.pdf").write_bytes(b"%PDF-1.7")
    with app_of(papers.engine) as app, worker(app, queues=["push"]):
        files = [file_of(tmp_path / "audit report.pdf")]
        handle = decide(app, papers.slug, "bill", by_python, "approve", by="A. Smith", files=files)
        line = handle.wait(SOON, for_all=True)
        asked = (papers.slug, "bill", by_task, "reject"), {"note": "No."}
        task = app.send_task("decisions.push", *asked)
        app.send_task("decisions.push", *asked, task_id=task.id)  # who heard nothing sends it again
        told = task.get(timeout=SOON.total_seconds())
        wait_until(
            lambda: papers.engine.decision(papers.slug, told["decision"]).finished, "the task's decision"
        )
        done = operator.types(
            "decide",
            papers.slug,
            "bill",
            by_command,
            "approve",
            "--wait",
            "--json",
            "--key",
            "k",
            **variables,
        )
        no = operator.types("decide", papers.slug, "bill", refused, "approve", "--wait", **variables)

    assert (line.outcome, line.decided_by, papers.files(by_python)) == (
        "confirmed",
        "A. Smith",
        ["audit report.pdf"],
    )
    assert papers.applied(by_task) == {"DELETED": 1}
    assert papers.notes(by_task) == [f"No. [decision {told['decision']}]"]
    assert (done.status, json.loads(done.out)["outcome"]) == (0, "confirmed")
    assert no.status == 1
    assert words in no.out
    assert "mended by an administrator in Xero" in no.out
    listed = operator.types("decisions", papers.slug, "--json", **variables)
    assert [each["outcome"] for each in json.loads(listed.out)] == ["refused", *["confirmed"] * 3]
    table = operator.types("decisions", papers.slug, **variables)
    assert words in table.out


def test_bad_input_gets_one_sentence_at_the_command_line(
    papers: Papers, operator: Operator, variables: dict[str, str]
) -> None:
    def says(*words: str) -> str:
        ended = operator.types("decide", *words, **variables)
        assert (ended.status, ended.out) == (1, "")
        return ended.err

    assert "There is no organisation 'nobody'" in says("nobody", "bill", "x", "approve")
    assert "'letter' is no kind: it must be one of bill, " in says(papers.slug, "letter", "x", "approve")
    assert "No bill x is stored here" in says(papers.slug, "bill", "x", "approve")


def test_what_could_not_be_sent_beat_sends_once_and_again_after_redis_was_wiped(
    papers: Papers, redis_url: str
) -> None:
    document = papers.one("bill")
    app, services = papers.engine.app, papers.engine.services
    queues = Queues(redis_url)
    ticker = Ticker(app, {})
    ticker.tick()

    handle = decide(app, papers.slug, "bill", document, "approve", idempotency_key="k", by="test")
    repeated = decide(app, papers.slug, "bill", document, "approve", idempotency_key="k", by="test")
    assert (queues.tasks("push"), repeated.decision) == (["decisions.slice"], handle.decision)
    queues.wipe()
    ticker.tick()
    assert queues.tasks("push") == ["decisions.slice"]
    taken: Any = queues.take("push")
    queues.forget_locks()
    services.database.clock_offset += timedelta(minutes=1)
    ticker.tick()
    assert queues.take("push") == taken  # nobody had claimed it
    queues.close()


def test_a_decision_is_on_record_before_anything_is_sent(papers: Papers, redis_url: str) -> None:
    document = papers.one("bill")
    with pytest.raises(SyncRefusedError, match="No bill"):
        decide(papers.engine.app, papers.slug, "bill", "none", "approve", by="test")

    queues = Queues(redis_url)
    handle = decide(papers.engine.app, papers.slug, "bill", document, "approve", by="test")
    state = handle.state()
    queues.close()

    assert (state.outcome, state.finished, state.reason) == ("waiting", False, None)
    assert handle.wait(timedelta(0)).outcome == "waiting"
