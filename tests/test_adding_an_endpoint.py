"""What docs/add-an-endpoint.md says is enough for a new list: its own code, in a copy of the project."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import environment_with
from sandbox.testing import Sandbox
from tests.integration.engine import engine
from tests.services.installation import environment_for
from tests.test_docs import ROOMS, ROOT

PAGE = ROOT / "docs/add-an-endpoint.md"
RESOURCE, TABLE, PATH = "xero.payment_services", "xero_payment_services", "PaymentServices"
# Where tests run over every row.
OVER_EVERY_ROW = (
    "tests/unit/test_xero_table.py",
    "tests/integration/test_connector_habits.py",
    "tests/integration/test_connector_sandbox.py",
    "tests/integration/test_every_list.py",
    "tests/integration/test_every_vanish.py",
    "tests/integration/test_sandbox_edits.py",
    "tests/integration/test_sandbox_lists.py",
    "tests/integration/test_sandbox_openapi.py",
)
PIECE = re.compile(r"(.*?)```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project with the page's code in it, and with Xero's specification beside it where there is one."""
    folder = tmp_path_factory.mktemp("adding")
    copied = folder / "project"
    for name in (*ROOMS, "tests"):
        shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copied)
    if (beside := ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to(beside)
    for words, code in PIECE.findall(PAGE.read_text()):
        *_, named = re.findall(r"`([\w/]+\.py)`", words)
        put(copied / named, code)
    yield copied
    shutil.rmtree(folder)


def test_what_runs_for_every_list_runs_for_the_new_one(copy: Path) -> None:
    of_the_new_one = ("-k", f"{RESOURCE} or {PATH}")
    ended = python(copy, "-m", "pytest", "-p", "no:xdist", "-vv", *of_the_new_one, *OVER_EVERY_ROW)

    assert ended.returncode == 0, ended.stdout[-3000:]
    passed = set(re.findall(r"^tests/\S+::(\w+)\[\S+\] PASSED", ended.stdout, re.MULTILINE))
    assert passed >= {
        "test_a_list_has_what_its_habit_needs",
        "test_each_list_is_read_whole_and_of_one_organisation_alone",
        "test_in_every_list_a_record_can_be_added_edited_changed_silently_and_removed",
        "test_nothing_is_lost_of_a_list_that_changes_while_it_is_read",
    }


def test_an_older_database_gets_the_table_and_everybody_the_feed(
    copy: Path, sandbox: Sandbox, database_url: str, redis_url: str
) -> None:
    environment = environment_for(database_url, redis_url, sandbox)
    with engine(sandbox, database_url, redis_url) as older:
        connected = older.connect(organisations_wanted=2)

        first, second = (python(copy, "-m", "ledgertide", "migrate", **environment) for _ in range(2))

        feeds = [older.line(slug, RESOURCE) for slug in connected]
    assert first.stdout == f"The database is up to date; made: {TABLE}, feeds of {RESOURCE} (2).\n"
    assert second.stdout == "The database is up to date.\n"
    assert [feed.state for feed in feeds] == ["off", "off"]


def python(copy: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Our own Python in the copy, which goes first: the installed project is the original."""
    first = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=copy,
        env=environment_with(variables) | first,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def put(file: Path, code: str) -> None:
    """A new file, or the last row of a file's table, with the import it takes."""
    if not file.exists():
        file.write_text(code)
        return
    imports = "".join(re.findall(r"^from .+\n", code, re.MULTILINE))
    row = re.sub(r"^from .+\n", "", code, flags=re.MULTILINE).strip("\n")
    opening, table, end = file.read_text().rpartition("\n)\n")
    assert end == "", f"{file.name} no longer ends with its table"
    before, first, after = opening.partition("\nfrom ")
    file.write_text(f"{before}\n{imports}{first[1:]}{after}\n{row}{table}")
