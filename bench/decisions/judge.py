"""Whether each decision was applied exactly once, by the sandbox's count, or met somebody else's change."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.decisions.worker import PAPER, Case
from sandbox.testing import Sandbox
from store.decisions import DecisionLine

APPROVED = {"AUTHORISED": 1}


@dataclass
class Result:
    """What came of it."""

    decisions: int
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    """Points where nobody died."""
    lost_answers: int = 0
    flaws: list[str] = field(default_factory=list)


@dataclass
class Edited:
    """Documents that somebody else edited at the provider after the approver saw them."""

    before: set[str] = field(default_factory=set)
    """Before anything was decided: such a decision may never be applied."""
    meanwhile: set[str] = field(default_factory=set)
    """While the workers worked: before or after the decision was applied, nobody knows."""


@dataclass(frozen=True)
class Written:
    """What the sandbox counts of one document's writes."""

    applied: Mapping[str, int]
    notes: int
    files: Sequence[str]


def written(sandbox: Sandbox, tenants: Sequence[str]) -> Callable[[str], Written]:
    """By document."""
    told: dict[str, dict[str, Any]] = {"applied": {}, "notes": {}, "files": {}}
    for tenant in tenants:
        counted = sandbox.writes(tenant)
        for name in told:
            told[name] |= counted[name]

    def of(document: str) -> Written:
        notes = told["notes"].get(document, [])
        return Written(told["applied"].get(document, {}), len(notes), told["files"].get(document, []))

    return of


def judge(
    cases: Sequence[Case],
    lines: Sequence[DecisionLine],
    counted: Callable[[str], Written],
    edited: Edited,
    result: Result,
) -> None:
    """Put outcomes and flaws into the result."""
    by_document = {line.document_id: line for line in lines}
    doubled = len(lines) - len(by_document)
    if doubled:
        result.flaws.append(f"{doubled} decisions are on record twice")
    for case in cases:
        line = by_document.get(case.document)
        if line is None:
            result.flaws.append(f"{case.document}: not on record")
            continue
        result.outcomes[line.outcome if line.finished else f"{line.outcome}, not finished"] += 1
        if wrong := _wrong(case, line, counted(case.document), edited):
            result.flaws.append(f"{wrong}: {_told(line)}; {counted(case.document)}")


def _told(line: DecisionLine) -> str:
    """What is on record of a decision, as far as it explains a flaw."""
    names = (
        "document_id",
        "outcome",
        "seen_modified_at",
        "found_status",
        "found_modified_at",
        "reason",
        "until",
    )
    return ", ".join(f"{name} {getattr(line, name)}" for name in (*names, "error"))


def _wrong(case: Case, line: DecisionLine, found: Written, edited: Edited) -> str:
    """What is wrong with one, or nothing."""
    if not line.finished:
        return "not finished"
    if line.outcome == "conflict":
        if case.document not in edited.before | edited.meanwhile:
            return "a conflict, and nobody else changed it"
        return "a conflict, and applied" if found != Written({}, 0, []) else ""
    if line.outcome != "confirmed":
        return "neither confirmed nor a conflict"
    if case.document in edited.before:
        return "applied over what the approver did not see"
    once = Written(APPROVED, 1, [PAPER.name] if case.with_paper else [])
    return "not exactly once" if found != once else ""
