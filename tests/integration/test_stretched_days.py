"""P1 and P14: a day that is too short for all is spread, the lines left out say why."""

from datetime import timedelta

from sqlalchemy import update

from store import feeds
from store.models import connections
from tests.integration.engine import Engine

CONTACTS, INVOICES, TAX_RATES = "xero.contacts", "xero.invoices", "xero.tax_rates"
LISTS = [TAX_RATES, CONTACTS, INVOICES]
MINUTE = timedelta(minutes=1)


def allow(engine: Engine, slug: str, calls_a_day: int) -> None:
    """The organisation's tier has so many calls a day."""
    with engine.services.database.transaction() as tx:
        feed_id = engine.feed_id(slug, CONTACTS, tx=tx)
        mine = feeds.feeds.select().where(feeds.feeds.c.id == feed_id)
        connection_id = tx.execute(mine).one().connection_id
        tx.execute(update(connections).where(connections.c.id == connection_id).values(day_limit=calls_a_day))


def test_reference_data_is_left_out_before_documents_and_its_line_says_why(whole_engine: Engine) -> None:
    # Contacts and tax rates ask for 12 calls a day each, invoices for 24; of 52 calls, 37 are planned for.
    short, roomy = whole_engine.connect(resources=LISTS)
    allow(whole_engine, short, 52)
    whole_engine.settle()
    for resource in LISTS:
        whole_engine.sync(short, resource)

    stretches = {line.resource: line.stretch for line in whole_engine.lines(short)}
    assert stretches[INVOICES] == 1
    assert sorted([stretches[CONTACTS], stretches[TAX_RATES]]) == [1, 9]
    assert {line.stretch for line in whole_engine.lines(roomy)} == {1}
    left_out = next(resource for resource in LISTS if stretches[resource] > 1)

    first_read_at = whole_engine.runs(short, left_out)[-1].first_read_at
    due_at = whole_engine.feed(short, left_out).due_at
    assert timedelta(hours=16) < due_at - first_read_at <= timedelta(hours=18)

    # Past the slot that it leaves out it is late, and there is one reason, whatever state it is in.
    whole_engine.pass_time(timedelta(hours=2) + 2 * MINUTE)
    whole_engine.settle()
    line = whole_engine.line(short, left_out)
    assert (line.state, line.reason, line.is_late) == ("waiting for rate limit", "day reserve", True)
    assert line.next_sync_at == due_at
    assert [each.reason for slug in (short, roomy) for each in whole_engine.lines(slug) if each != line] == [
        None
    ] * 5

    with whole_engine.services.database.transaction() as tx:
        mine = feeds.feeds.c.id == whole_engine.feed_id(short, left_out, tx=tx)
        tx.execute(update(feeds.feeds).where(mine).values(due_at=tx.now))
    assert whole_engine.line(short, left_out).reason == "day reserve"
    press = whole_engine.press(short, left_out)
    queued = whole_engine.line(short, left_out)
    assert (queued.state, queued.reason) == ("queued", "day reserve")
    whole_engine.work(list(press.messages))

    # A press does not wait for it.
    assert [outcome.state for outcome in whole_engine.sync(short, left_out)] == ["done"]
    assert whole_engine.line(short, left_out).state == "up to date"


def test_a_day_that_has_room_again_ends_the_stretch(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=LISTS, organisations_wanted=1)
    allow(whole_engine, slug, 40)
    whole_engine.settle()
    for resource in LISTS:
        whole_engine.sync(slug, resource)
    assert sorted(line.stretch for line in whole_engine.lines(slug)) == [1, 3, 84]

    allow(whole_engine, slug, 5000)
    for resource in LISTS:
        whole_engine.sync(slug, resource)

    assert {line.stretch for line in whole_engine.lines(slug)} == {1}
    feed = whole_engine.feed(slug, CONTACTS)
    assert feed.due_at - whole_engine.runs(slug, CONTACTS)[-1].first_read_at <= timedelta(hours=2)


def test_an_import_and_a_comparison_do_not_count_as_what_a_read_costs(whole_engine: Engine) -> None:
    (slug,) = whole_engine.connect(resources=[CONTACTS], organisations_wanted=1)
    whole_engine.pages_of(CONTACTS, 20)
    whole_engine.settle()
    assert whole_engine.runs(slug, CONTACTS)[-1].calls > 5
    assert whole_engine.feed(slug, CONTACTS).calls_per_read is None

    whole_engine.sync(slug, CONTACTS, full=True)

    assert whole_engine.feed(slug, CONTACTS).calls_per_read == 1
