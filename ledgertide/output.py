"""How commands show what they found: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

# Wide enough that nothing is folded or cut when another program reads our tables.
WIDE = 400


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or wide enough for a file."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else WIDE, highlight=False, markup=False)


def say(sentence: str) -> None:
    """One line for whoever reads."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def show_json(found: Any) -> None:
    """One JSON document: dataclasses as objects, times in ISO 8601."""
    say(json.dumps(_plain(found), default=_text, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people."""
    console().print(table(columns, rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()) -> Table:
    """A table without lines; the columns named in ``numbers`` stand to the right."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[_cell(value) for value in row])
    return drawn


def ago(moment: datetime | None) -> str:
    """How far a time is from now, in the largest unit that fits."""
    if moment is None:
        return "never"
    passed = datetime.now(UTC) - moment
    return f"{length(passed)} ago" if passed >= timedelta(0) else f"in {length(-passed)}"


def length(time: timedelta) -> str:
    """A length of time in the largest unit that fits."""
    seconds = time.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _cell(value: object) -> str:
    if value is None:
        return ""
    return ago(value) if isinstance(value, datetime) else str(value)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
