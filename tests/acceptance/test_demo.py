"""`ledgertide demo`: everything for real, and a comparison that can fail."""

import json
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from config.settings import environment_with
from ledgertide.demo.demo import demonstrate
from ledgertide.demo.edits import RESOURCES
from ledgertide.embedded.system import Plan
from store.tables import table_of
from sync.services import SHAPES, Services
from tests.acceptance.running import command


def test_it_ends_with_a_store_that_equals_the_provider(tmp_path: Path) -> None:
    words = command("demo", "--organisations", "3", "--json")

    ended = subprocess.run(
        words, capture_output=True, text=True, cwd=tmp_path, env=environment_with({}), check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)
    total = report["total"]
    assert [total[name] for name in ("missing", "extra", "stale", "refused")] == [0, 0, 0, 0]
    assert total["at_provider"] == total["in_store"] > 1000
    rows = {row["resource"]: row for row in report["rows"]}
    assert {name for name, row in rows.items() if row["off"]} == set(SHAPES) - set(RESOURCES)
    assert [name for name in RESOURCES if not rows[name]["at_provider"]] == []
    assert [name for name in RESOURCES if rows[name]["calls"] == 0] == []
    assert min(report["edits"][done] for done in ("edit", "add", "archive", "merge", "silent", "remove")) > 0
    assert report["presses"] > len(RESOURCES)
    assert set(report["cpu_ms_per_call"]) >= {"redis", "sandbox", "beat", "worker", "worker_now"}


def test_an_altered_a_deleted_and_an_added_row_make_it_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(tmp_path / "demo", organisations=1, fresh=True)

    status = demonstrate(plan, as_json=True, before_comparing=tamper)

    assert status == 1
    report = json.loads(capsys.readouterr().out)
    row = next(row for row in report["rows"] if row["resource"] == "xero.contacts")
    assert (row["missing"], row["extra"], row["stale"]) == (1, 1, 1)
    total = report["total"]
    assert (total["missing"], total["extra"], total["stale"], total["refused"]) == (1, 1, 1, 0)
    assert len(report["differing"]) == 3


def tamper(services: Services) -> None:
    """Alter one stored contact, delete another, and add a third."""
    table = table_of(SHAPES["xero.contacts"])
    with services.database.transaction() as tx:
        altered, deleted, copied = tx.execute(select(table).order_by(table.c.id).limit(3)).mappings().all()
        tx.execute(
            update(table)
            .where(table.c.connection_id == altered["connection_id"], table.c.id == altered["id"])
            .values(record=altered["record"].replace('"Name"', ' "Name"', 1))
        )
        tx.execute(
            delete(table).where(
                table.c.connection_id == deleted["connection_id"], table.c.id == deleted["id"]
            )
        )
        tx.execute(insert(table).values({**copied, "id": "not-at-the-provider"}))
