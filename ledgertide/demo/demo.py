"""`ledgertide demo`: read all, edit at the provider, press, decide, be told, and compare every record."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from celery import Celery

from config.logging import configure
from ledgertide.api import Door, PressHandle
from ledgertide.demo.approvals import Approvals
from ledgertide.demo.cost import Meter
from ledgertide.demo.edits import Customer, People
from ledgertide.demo.report import Report, judge, show
from ledgertide.demo.telling import edit_and_hear
from ledgertide.embedded.first_start import connect_sandbox
from ledgertide.embedded.live import summary
from ledgertide.embedded.picture import waits
from ledgertide.embedded.run import signals_end_us
from ledgertide.embedded.snapshot import Observer, Snapshot
from ledgertide.embedded.system import Plan, System, embedded
from ledgertide.output import say, show_json
from ledgertide.problems import CommandError
from store import organisations, status
from sync.services import Services
from tasks.process import open_for
from workers.celery import make_app

PROCESSES_READY_WITHIN = timedelta(seconds=60)
READ_WITHIN = timedelta(minutes=5)
ANSWERED_WITHIN = timedelta(minutes=3)
SAY_EVERY_SECONDS = 5.0
LOOK_EVERY_SECONDS = 1.0


def demonstrate(plan: Plan, *, as_json: bool = False) -> int:
    """Do it all with real processes over real HTTP; 0 when nothing is missing, extra, stale or refused."""
    configure("CRITICAL")
    tell = _silent if as_json else say
    began = time.monotonic()
    with signals_end_us(), embedded(plan, tell) as system, _app(system) as app:
        report = _demonstrate(system, app, tell)
    report.whole_seconds = time.monotonic() - began
    show_json(report.facts()) if as_json else show(report)
    return 0 if report.is_good else 1


def _demonstrate(system: System, app: Celery, tell: Callable[[str], None]) -> Report:
    services: Services = app.services
    _await_processes(system, app)
    meter = Meter(system.keeper.pids())
    began, began_at = time.monotonic(), datetime.now(UTC)
    count = connect_sandbox(services, system.doors)
    tell(f"{count} organisations are connected; reading all their lists ...")
    first = _await_first_read(system, services, tell)
    read_seconds = time.monotonic() - began
    first_fresh = _first_fresh(services, began_at)
    tell(f"All {first.feeds} feeds are fresh after {read_seconds:.1f} s. Now edits and presses ...")
    pressed_at = time.monotonic()
    people, approvals = People(system.doors, Door(app)), Approvals(system.doors, app)
    customers = _customers(services)
    presses = _edit_and_press(system, customers, people, approvals)
    press_seconds = time.monotonic() - pressed_at
    tell(f"{presses} presses were answered after {press_seconds:.1f} s. Now approvals, then webhooks ...")
    decided = approvals.approve()
    told = edit_and_hear(system, services, customers[::3])
    tell("Comparing every record ...")
    cost = meter.read()
    report = judge(
        services,
        system.doors,
        cost=cost,
        first_fresh=first_fresh,
        read_seconds=read_seconds,
        press_seconds=press_seconds,
        presses=presses,
        edits=people.done,
    )
    report.decided, report.told = decided, told
    return report


@contextmanager
def _app(system: System) -> Iterator[Celery]:
    app = make_app(system.settings)
    services = open_for(app, system.settings)
    try:
        yield app
    finally:
        services.close()
        app.close()


def _await_processes(system: System, app: Celery) -> None:
    """Until beat turns and every queue has its worker: then what is measured is work, not start-up."""
    give_up_at = time.monotonic() + PROCESSES_READY_WITHIN.total_seconds()
    while app.services.pulse.age("beat") is None or len(app.control.ping(timeout=0.5, limit=2)) < 2:
        system.keeper.look_after()
        if time.monotonic() > give_up_at:
            raise CommandError(
                "The processes did not come up in a minute: see the logs in the demo's folder."
            )


def _await_first_read(system: System, services: Services, tell: Callable[[str], None]) -> Snapshot:
    give_up_at = time.monotonic() + READ_WITHIN.total_seconds()
    say_at = time.monotonic() + SAY_EVERY_SECONDS
    observer = Observer(services)
    while True:
        seen = observer.look()
        if seen.feeds and seen.fresh == seen.feeds:
            return seen
        if time.monotonic() > give_up_at:
            raise CommandError(f"Not everything was read in time. {summary(seen)}.")
        if time.monotonic() > say_at:
            say_at += SAY_EVERY_SECONDS
            tell(f"  {seen.fresh} of {seen.feeds} feeds are fresh; waits: {waits(seen)}")
        for notice in system.keeper.look_after():
            tell(f"  {notice}")
        time.sleep(LOOK_EVERY_SECONDS)


def _first_fresh(services: Services, since: datetime) -> dict[str, float]:
    """Seconds until the last feed of each resource was fresh."""
    with services.database.reading() as tx:
        lines = status.all_lines(tx)
    latest: dict[str, float] = {}
    for line in lines:
        if line.last_synced_at:
            seconds = (line.last_synced_at - since).total_seconds()
            latest[line.resource] = max(seconds, latest.get(line.resource, 0.0))
    return latest


def _customers(services: Services) -> list[Customer]:
    with services.database.reading() as tx:
        slugs = {one.id: one.slug for one in organisations.everyone(tx)}
        links = organisations.every_link(tx)
    tenants: dict[str, dict[str, str]] = defaultdict(dict)
    for link in links:
        tenants[slugs[link.organisation_id]][link.provider] = link.tenant_id
    return [Customer(slug, tenants[slug]) for slug in sorted(tenants)]


def _edit_and_press(system: System, customers: list[Customer], people: People, approvals: Approvals) -> int:
    """In a third of the organisations people edit, in a third silently, in a third they remove.

    Where they edit silently, bills are handed in besides, which are to be approved.
    """
    approvals.hand_in(customers[1::3])
    removed = people.remove(customers[2::3])
    handles = [
        *people.edit(customers[::3]),
        *people.edit_silently(customers[1::3]),
        *people.read_invoices(customers[1::3]),
        *people.read_whole(removed),
    ]
    _await_presses(system, handles)
    again = people.read_whole(removed)
    _await_presses(system, again)
    return len(handles) + len(again)


def _await_presses(system: System, handles: list[PressHandle]) -> None:
    give_up_at = time.monotonic() + ANSWERED_WITHIN.total_seconds()
    for handle in handles:
        while not (state := handle.state()).done:
            if time.monotonic() > give_up_at:
                raise CommandError(
                    f"The press for {handle.organisation}'s {handle.resource} was not answered in time: "
                    f"{state.reason or state.state}. {state.error or ''}"
                )
            system.keeper.look_after()
            time.sleep(0.1)


def _silent(_sentence: str) -> None:
    """For programs: nothing but the JSON at the end."""
