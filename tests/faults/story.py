"""What was done to a house, and what became of it, for people to read."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field

from tests.faults.judge import Verdict


@dataclass
class Story:
    """One soak."""

    seed: int
    kind: str
    minutes: float
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By kind of fault: the seconds from its end until work was done again."""
    staleness: float = 0.0
    stand: float = 0.0
    slowness: float = 1.0
    edits: int = 0
    presses: int = 0
    refused_presses: int = 0
    both_ways: list[str] = field(default_factory=list)
    """What went out and what came in beside the reading."""
    verdict: Verdict | None = None

    @property
    def faults(self) -> int:
        """How many there were."""
        return sum(map(len, self.recoveries.values()))

    def lines(self) -> list[str]:
        """All of it."""
        told = [f"soak on {self.kind}, {self.minutes:g} minutes, seed {self.seed}: {self.faults} faults"]
        told += [_recovered(name, found) for name, found in sorted(self.recoveries.items())]
        told.append(_recovered("all", [each for found in self.recoveries.values() for each in found]))
        presses = f"{self.presses} presses taken, {self.refused_presses} refused in plain words"
        told.append(f"{self.edits} edits, {presses}")
        told.append(
            f"longest staleness of a feed {self.staleness:.1f} s, longest stand of a run {self.stand:.1f} s, "
            f"not counting that the machine was up to {self.slowness:.1f} times as slow as alone"
        )
        return told + self.both_ways + (_judged(self.verdict) if self.verdict else [])


def _recovered(name: str, found: list[float]) -> str:
    median, longest = statistics.median(found or [0.0]), max(found, default=0.0)
    return f"  {name:<20} {len(found):>3}   work again after {median:5.1f} s (median), {longest:5.1f} s (max)"


def _judged(verdict: Verdict) -> list[str]:
    lists = [
        f"  {resource:<22} {one.at_provider:>5} at the provider, {one.in_store:>5} stored, "
        f"{len(one.missing)} missing, {len(one.extra)} extra, {len(one.stale)} stale"
        for resource, one in verdict.differences.items()
    ]
    losses = f"{len(verdict.lost_presses)} presses lost, {len(verdict.missed_events)} events never shown"
    own = verdict.by_itself
    before = (
        f"before anybody asked: {len(own.missing)} missing, {len(own.extra)} extra, {len(own.stale)} stale, "
        f"{len(verdict.unread)} lists not read again"
    )
    did = f"{verdict.runs} runs, {verdict.calls} calls"
    return [
        *lists,
        before,
        f"{did}: {len(verdict.twice)} slots run twice, {len(verdict.refused)} calls refused, {losses}",
    ]
