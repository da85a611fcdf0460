"""Days of use within seconds: edits, presses, an outage and an absence, and every promise looked at."""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import structlog

from bench.week.judge import Report
from bench.week.plan import Plan
from bench.week.simulation import simulate
from bench.week.tables import show
from sandbox.testing import Sandbox

# What may keep a feed late here: the outage and what follows from it, the absence, the calls that are left.
EXPECTED = {"provider unavailable", "back-off", "access removed", "minute limit", "day reserve", "day limit"}
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.long
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # on PostgreSQL: python -m bench.week
def test_simulated_days_keep_every_promise(
    database_url: str, redis_url: str, start_sandbox: Callable[..., Sandbox]
) -> None:
    plan = Plan(
        seed=7,
        days=1,
        organisations=2,
        step=timedelta(minutes=5),
        presses_a_day=6,
        outage=2 * HOUR,
        away=4 * HOUR,
        windows="rolling",
    )

    report = simulate(plan, start_sandbox(organisations=2, seed=plan.seed), database_url, redis_url)

    show(report)
    assert something_happened(report)
    assert not report.unexplained
    assert set(report.late_minutes) <= EXPECTED
    assert not report.refusals
    assert not report.unanswered
    assert not report.unexplained_presses
    assert report.total.is_none, report.differences
    assert not report.unforeseen
    assert not report.broken


def something_happened(report: Report) -> bool:
    """Whether there was enough to keep promises about."""
    late = report.late_minutes
    happened = late.get("provider unavailable") and late.get("access removed")
    return bool(happened and report.edited and report.presses and report.pairs > report.plan.days * 24)
