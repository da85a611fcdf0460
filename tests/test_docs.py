"""What is written down agrees with what there is: settings, commands, links, rooms."""

import ast
import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from config.settings import Settings, variable
from ledgertide import tables

ROOT = Path(__file__).parent.parent
ROOMS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
MODULES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def as_written(default: object) -> str | None:
    """A default as a person would write it into a variable; None where there is none."""
    if default is None or default is PydanticUndefined:
        return None
    if isinstance(default, timedelta):
        days, seconds = divmod(int(default.total_seconds()), 86400)
        return f"{seconds}s" if seconds else f"{days}d"
    if isinstance(default, frozenset):
        return ",".join(sorted(default))
    return str(default)


DEFAULTS = {variable(name): as_written(field.default) for name, field in Settings.model_fields.items()}
MUST_BE_GIVEN = {variable(name) for name, field in Settings.model_fields.items() if field.is_required()}


def test_the_settings_page_lists_every_setting_with_its_default() -> None:
    rows = re.findall(
        r"^\| `(LEDGERTIDE_\w+)` \| (.+?) \| .+ \|$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
    )

    without_default = {name: "must be given" if name in MUST_BE_GIVEN else "none" for name in DEFAULTS}
    expected = {
        name: f"`{default}`" if default else without_default[name] for name, default in DEFAULTS.items()
    }
    assert dict(rows) == expected
    assert len(rows) == len(expected)


def test_the_example_environment_holds_every_setting_with_its_default() -> None:
    lines = re.findall(r"^(# )?(LEDGERTIDE_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)

    given = {name for comment, name, _ in lines if not comment}
    assert given == MUST_BE_GIVEN
    assert {name: value for comment, name, value in lines if comment} == {
        name: default or "" for name, default in DEFAULTS.items() if name not in MUST_BE_GIVEN
    }


def test_only_the_settings_module_reads_the_environment() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for file in MODULES
        if re.search(r"os\.(environ|getenv|putenv)|from os import .*\b(environ|getenv)", file.read_text())
    }

    # The sandbox stands alone: it has no settings of ours.
    assert readers == {"config/settings.py", "sandbox/__main__.py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    links = [link.split("#")[0] for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)\s]+)\)", text)]
    code = re.findall(r"`[^`]+`|^    .+$|^```.+?^```", text, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"\bmake ([a-z-]+)\b", "\n".join(code))
    named = set(re.findall(r"LEDGERTIDE_\w+[A-Z]\b", text))

    assert [link for link in links if not (page.parent / link).exists()] == []
    assert set(commands) - targets == set()
    assert named - set(DEFAULTS) - {"LEDGERTIDE_TEST_DATABASE_URL"} == set()


def test_where_a_safe_setting_lives_is_still_there() -> None:
    places = re.findall(r"^- \*\*Where:\*\* (.+)$", (ROOT / "docs/unconfirmed.md").read_text(), re.MULTILINE)
    named = [
        (ROOT / file, re.findall(r"`(\w+)", names))
        for place in places
        for file, names in re.findall(r"`([\w/]+(?:\.py|\.lua|/))`(?: \(((?:`[^`]*`(?:, )?)+)\))?", place)
    ]

    assert [str(file) for file, _ in named if not file.exists()] == []
    assert [f"{file}: {name}" for file, names in named for name in names if name not in source(file)] == []


def source(place: Path) -> str:
    """The code of a file, or of all in a folder."""
    return "".join(file.read_text() for file in (place.rglob("*.py") if place.is_dir() else [place]))


def test_every_decision_stands_in_their_list() -> None:
    decisions = ROOT / "docs/decisions"
    listed = re.findall(r"^\| \[\d+\]\((.+?)\)", (decisions / "README.md").read_text(), re.MULTILINE)

    assert listed == sorted(page.name for page in decisions.glob("0*.md"))


def test_the_tables_page_is_what_the_endpoint_table_says() -> None:
    assert (ROOT / "docs/tables.md").read_text() == tables.page(), "make docs writes it anew"


def test_make_help_lists_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text()

    phony = set(" ".join(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)).split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))


def test_every_module_opens_with_a_sentence() -> None:
    silent = [file for file in MODULES if not ast.get_docstring(ast.parse(file.read_text()))]

    assert [str(file.relative_to(ROOT)) for file in silent if "versions" not in file.parts] == []
