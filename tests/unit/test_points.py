"""The registry of points and the places that say they were reached."""

import ast
from collections.abc import Iterator
from pathlib import Path

from config import points

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("limiter", "store", "connectors", "sync", "tasks", "schedules", "workers", "web", "ledgertide")


def test_each_point_is_registered_and_stands_somewhere_in_the_product() -> None:
    named = [name for room in ROOMS for file in (ROOT / room).rglob("*.py") for name in reached_in(file)]

    assert set(named) == {*points.POINTS, *points.PUSH_POINTS, *points.WEB_POINTS}


def test_points_are_told_only_while_somebody_watches() -> None:
    seen: list[str] = []
    points.reached("claim.begun")

    points.watch(seen.append)
    points.reached("claim.taken")
    points.watch(None)
    points.reached("claim.committed")

    assert seen == ["claim.taken"]


def reached_in(file: Path) -> Iterator[str]:
    """The names of the points in a file; a name that is not written out there is a flaw."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reached":
            assert isinstance(node.args[0], ast.Constant), f"{file}:{node.lineno}"
            yield str(node.args[0].value)
