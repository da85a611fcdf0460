"""`ledgertide demo`: everything for real. That its comparison can fail is proven by test_demo_report."""

import json
import subprocess
from pathlib import Path

import pytest

from config.settings import environment_with
from ledgertide.demo.edits import RESOURCES
from sync.services import SHAPES
from tests.acceptance.running import command


@pytest.mark.long
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
    decided, told = report["decided"], report["told"]
    assert (decided["pushed"], decided["applied_once"], decided["conflicts"]) == (3, 2, 1)
    assert min(told["sent"], told["stored"], told["median_seconds"]) > 0
    assert report["presses"] > len(RESOURCES)
    assert set(report["cpu_ms_per_call"]) >= {"redis", "sandbox", "beat", "worker", "worker_now"}
