"""The report as tables."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from bench.week.judge import Report


def show(report: Report) -> None:
    """Print everything, the verdict last."""
    plan = report.plan
    print(
        f"\n{plan.days:g} days, {plan.organisations} organisations, seed {plan.seed}, "
        f"{plan.windows} windows: {report.calls} calls, {report.edited} records edited, "
        f"{len(report.presses)} presses"
    )
    cost, thousand = report.cost, 1000 / max(1, report.calls)
    print(
        f"{cost.seconds:.0f} s, {thousand * cost.seconds:.1f} ms a call, of them "
        f"{thousand * cost.processor_seconds:.1f} of this process's processor; {cost.slices} slices"
    )
    print(f"answers: {report.statuses}")
    _table(
        "calls of an organisation in a day",
        ("limit", "day", "least", "median", "most", "by cause, mean"),
        (
            (
                day.tier,
                day.day,
                day.least,
                day.middle,
                day.most,
                ", ".join(f"{cause} {number:.0f}" for cause, number in sorted(day.causes.items())),
            )
            for day in report.days
        ),
    )
    _table(
        "how old what is stored was",
        ("resource", "median", "worst", "with troubles: median", "worst"),
        (
            (one.resource, *map(_minutes, (one.middle, one.worst, one.middle_in_all, one.worst_in_all)))
            for one in report.freshness
        ),
    )
    _table(
        "feed-minutes late",
        ("reason", "minutes"),
        ((reason, f"{minutes:.0f}") for reason, minutes in sorted(report.late_minutes.items())),
    )
    answered = sorted(one.answered_at - one.pressed.at for one in report.presses if one.answered_at)
    if answered:
        waits = (answered[len(answered) // 2], answered[len(answered) * 95 // 100], answered[-1])
        print(
            f"\npresses answered: {len(answered)} of {len(report.presses)}; median, p95, longest: "
            f"{', '.join(map(_minutes, waits))}"
        )
    print(
        f"gaps longer than promised: {len(report.gaps)} of {report.pairs}, "
        f"{len(report.unexplained)} unexplained"
    )
    for gap in report.unexplained[:10]:
        print(f"  {gap}")
    total = report.total
    print(
        f"compared: {total.at_provider} records; {len(total.missing)} missing, {len(total.extra)} extra, "
        f"{len(total.stale)} stale"
    )
    for resource, difference in report.differences.items():
        if not difference.is_none:
            print(f"  {resource}: {difference}"[:300])
    print("\n" + ("\n".join(f"BROKEN: {one}" for one in report.broken) or "Every promise was kept."))


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    cells = [tuple(columns), *(tuple(map(str, row)) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    print(f"\n{title}")
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _minutes(length: timedelta) -> str:
    return f"{length / timedelta(minutes=1):.1f} min"
