"""Cadences are stretched as far as a day's calls demand: reference data first, the costliest list first."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as some

from store.stretch import RAREST, Cost, budget, plan

HOURS = timedelta(hours=1)
costs = some.lists(
    some.builds(
        Cost,
        feed_id=some.uuids().map(str),
        reference=some.booleans(),
        calls=some.floats(1, 60),
        cadence=some.sampled_from([HOURS, 2 * HOURS]),
    ),
    max_size=30,
    unique_by=lambda cost: cost.feed_id,
)


def a_day(wanted: list[Cost], stretches: dict[str, int]) -> float:
    return sum(cost.a_day / stretches[cost.feed_id] for cost in wanted)


def test_what_fits_a_day_is_read_on_its_cadence() -> None:
    lists = [Cost(f"feed {number}", number < 13, 1, HOURS * (1 + (number < 13))) for number in range(24)]

    assert set(plan(lists, 1000).values()) == {1}


def test_reference_data_gives_way_before_documents_and_the_costliest_list_before_the_others() -> None:
    lists = [
        Cost("contacts", reference=True, calls=30, cadence=2 * HOURS),  # 360 a day
        Cost("groups", reference=True, calls=5, cadence=2 * HOURS),  # 60
        Cost("invoices", reference=False, calls=20, cadence=HOURS),  # 480
    ]

    assert budget(1000) == 720
    # 180 too many: 360 for contacts becomes 180, and nobody else notices.
    assert plan(lists, 1000) == {"contacts": 2, "groups": 1, "invoices": 1}
    # Once a week for contacts (4) and groups (1) is not enough: only then documents wait as well.
    assert plan(lists, 400) == {"contacts": 84, "groups": 84, "invoices": 2}


@given(costs, some.integers(1, 10_000))
def test_the_plan_fits_the_day_unless_the_rarest_is_too_much_for_all(
    wanted: list[Cost], day_limit: int
) -> None:
    stretches = plan(wanted, day_limit)

    longest = {cost.feed_id: RAREST[cost.reference] // cost.cadence for cost in wanted}
    fits = a_day(wanted, stretches) <= budget(day_limit) + 1e-6
    assert fits or stretches == longest
    assert all(1 <= stretches[feed_id] <= longest[feed_id] for feed_id in stretches)
    # No document waits while some reference data could still give way.
    if any(stretches[cost.feed_id] > 1 for cost in wanted if not cost.reference):
        assert all(stretches[cost.feed_id] == longest[cost.feed_id] for cost in wanted if cost.reference)
