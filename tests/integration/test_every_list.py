"""P2 over every row of the table: after a run the store equals the provider, whatever happens meanwhile."""

from itertools import product

import pytest

from tests.integration.engine import Engine
from tests.integration.watched import OTHERWISE, Watched, watch

# The first import, a *Full resync*, and what changed since, under both readings of If-Modified-Since.
READS = (("import", "inclusive"), ("full", "exclusive"), ("since", "inclusive"), ("since", "exclusive"))
WHOLE_READS = (("import", "inclusive"), ("since", "inclusive"))


@pytest.mark.parametrize(("resource", "database_kind"), OTHERWISE, indirect=["database_kind"])
def test_nothing_is_lost_of_a_list_that_changes_while_it_is_read(
    shared_engine: Engine, resource: str
) -> None:
    its = watch(shared_engine, resource)

    for how, reading in WHOLE_READS if its.is_whole else READS:
        shared_engine.sandbox.since(reading)
        if how == "since":
            change_within_a_second(its)
        edits = arm_edits(its)
        known = its.there()
        its.read_whole() if how == "full" else its.sync()

        assert_all_done(its, edits)
        if its.endpoint.paging == "each":  # what is told one by one comes after the edits
            assert its.stale(known) == []
        if not its.is_paged:  # one answer is one moment; the next one has what happened after it
            its.sync()
        its.assert_equal()

    late = change_out_of_sight(its)
    its.sync()
    its.assert_equal()
    before = its.stored()
    # Up to 5 minutes after their stamp they show up, behind the records that were read meanwhile.
    shared_engine.sandbox.advance(71)
    assert sorted(its.stale(late)) == sorted(late)
    its.sync()

    its.assert_equal()
    assert [key for key in late if before.get(key) == its.stored().get(key)] == []
    assert its.gone() == []
    others = shared_engine.parsed(its.other, resource)
    assert others in ({}, shared_engine.at_provider(its.other, resource))


# --- what the tests above say in their own words ------------------------------------------------------


def change_within_a_second(its: Watched) -> None:
    """Since the last read, as an import does it: more in one second than a page or two hold."""
    its.made.sandbox.advance(3600)
    count = (2 if its.tells_changes else 1) * its.page + 5 if its.is_paged else 5
    if its.tells_changes:
        its.edit("edit", ids=list(its.there())[-count:], same_second=True)
        its.edit("add", count=5, same_second=True)
    else:
        its.edit("add", count=count, same_second=True)


def change_out_of_sight(its: Watched) -> list[str]:
    """Some records are stamped now and shown 270 s later; others are changed and shown meanwhile."""
    its.made.sandbox.advance(3600)
    late = its.edit("add", count=3, visible_after=270)
    if its.tells_changes:
        late += its.edit("edit", count=3, which="first", visible_after=270)
    its.made.sandbox.advance(200)
    its.edit("add", count=2)
    return late


def arm_edits(its: Watched) -> int:
    """People work on between the next answers; returns how many edits that is."""
    after = {"times": 2 if its.is_paged else 1}
    for action, which in product(its.actions(), ("read", "random", "first")):
        its.edit(action, count=2, which=which, after_calls=after)
    its.edit("add", count=2, after_calls=after)
    return 3 * len(its.actions()) + 1


def assert_all_done(its: Watched, edits: int) -> None:
    """The edits were all made between answers, none after the last one: so the run has to show them all."""
    latest = its.made.sandbox.armed_edits()[-edits:]
    assert [(armed["error"], armed["times"] - armed["done"]) for armed in latest] == [(None, 0)] * edits
