"""When a feed is due: slots of its cadence, spread, and the first one after a read."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from store.feeds import next_due, phase_of

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
cadences = st.integers(1, 7 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


@given(times, cadences, st.floats(0, 1, exclude_max=True))
def test_the_next_slot_is_the_first_one_after_the_read(
    read_at: datetime, cadence: timedelta, share: float
) -> None:
    phase = timedelta(seconds=int(cadence.total_seconds() * share))

    due_at = next_due(read_at, phase=phase, cadence=cadence)

    assert read_at < due_at <= read_at + cadence
    assert (due_at - EPOCH - phase) % cadence == timedelta(0)


def test_a_read_at_the_very_slot_uses_it_up() -> None:
    slot = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)

    assert next_due(slot, phase=timedelta(minutes=20), cadence=HOUR) == slot + HOUR
    assert next_due(slot - timedelta(microseconds=1), phase=timedelta(minutes=20), cadence=HOUR) == slot


def test_after_a_long_pause_the_missed_slots_are_gone() -> None:
    away_since = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)
    read_at = away_since + timedelta(hours=50, minutes=10)

    assert next_due(read_at, phase=timedelta(minutes=20), cadence=HOUR) == away_since + timedelta(hours=51)


def test_a_late_read_does_not_shift_the_slots_that_follow() -> None:
    phase = timedelta(minutes=20)
    due_at = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)

    for late_by in (timedelta(0), timedelta(minutes=30), timedelta(minutes=59)):
        due_at = next_due(due_at + late_by, phase=phase, cadence=HOUR)
        assert due_at.minute == 20


def test_the_slots_of_many_feeds_are_spread_over_the_hour() -> None:
    per_minute = Counter(phase_of(f"feed {number}", HOUR) // timedelta(minutes=1) for number in range(12_000))

    # 200 a minute on average; by chance alone none strays this far once in a million hours.
    assert len(per_minute) == 60
    assert min(per_minute.values()) > 110
    assert max(per_minute.values()) < 290


def test_a_feeds_phase_stays_the_same_and_lies_within_its_cadence() -> None:
    for number in range(100):
        phase = phase_of(f"feed {number}", HOUR)
        assert phase == phase_of(f"feed {number}", HOUR)
        assert timedelta(0) <= phase < HOUR
