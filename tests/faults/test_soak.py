"""A short soak by a fixed seed: whatever is done to the house, the store equals the provider in the end."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.nursery import Nursery
from tests.faults.soak import soak

FAULTS = 3  # of each of the two lanes, however slow the machine is


@pytest.mark.timeout(420)
@pytest.mark.parametrize(("kind", "seed"), [("postgresql", 4), ("sqlite", 5)])
def test_after_a_short_soak_nothing_is_missing_extra_or_stale(
    kind: str, seed: int, tmp_path: Path, nursery: Nursery
) -> None:
    story = soak(kind, tmp_path, nursery, length=timedelta(seconds=20), seed=seed, at_least=FAULTS)

    print("\n".join(story.lines()))
    assert story.verdict
    assert story.verdict.flaws() == []
    assert story.faults >= 2 * FAULTS
