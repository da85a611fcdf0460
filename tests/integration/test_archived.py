"""What the provider archives, voids or merges says so in its row, and what lies inside goes with it."""

from sandbox.endpoints import BY_RESOURCE
from tests.integration.engine import Engine
from tests.integration.traces import candidates_of, gone, rows, told
from tests.integration.watched import LISTS, SMALL, TINY, Watched, watch

CONTACTS, CATEGORIES, OPTIONS = "xero.contacts", "xero.tracking_categories", "xero.tracking_options"
STATUSES = {name: endpoint.statuses for name, endpoint in LISTS.items() if endpoint.statuses}


def test_every_status_that_means_archived_marks_its_records_and_no_other_does(shared_engine: Engine) -> None:
    slug, other = shared_engine.connect(resources=list(STATUSES), which=(SMALL, TINY))
    lists = [Watched(shared_engine, name, slug, other) for name in STATUSES]
    for its in lists:
        if its.endpoint.off:
            shared_engine.switch_on(slug, its.resource)

    # A record of each known status, and one of a word nobody knew.
    words = {its.resource: add_one_of_each(its) for its in lists}
    for its in lists:
        its.sync()
    for its in lists:
        archived = {key for key, row in its.rows().items() if row.archived}
        assert archived & words[its.resource].keys() == {
            key for key, word in words[its.resource].items() if word in STATUSES[its.resource].archived
        }
        its.assert_equal()

    # What people do in the provider: archive or void, and take it back.
    done = {its.resource: archive_and_restore(its) for its in lists}
    for its in lists:
        its.sync()
    for its in lists:
        archived, restored = done[its.resource]
        told_now = (set(its.told("archived")), set(its.told("restored")))
        assert (archived - told_now[0], restored - told_now[1]) == (set(), set()), its.resource
        assert {key for key in archived | restored if its.rows()[key].archived} == archived, its.resource
        assert rows(shared_engine, other, its.resource) == {}


def test_every_list_whose_records_people_archive_or_void_knows_the_status_for_it() -> None:
    led_to = {name: endpoint.targets for name, endpoint in BY_RESOURCE.items() if endpoint.targets}

    assert led_to.keys() - STATUSES.keys() == set()
    for name, targets in led_to.items():
        means = {action: word in STATUSES[name].archived for action, word in targets.items()}
        assert means == {action: action != "restore" for action in targets}, name


def test_a_merged_contact_points_to_its_survivor_and_is_archived(shared_engine: Engine) -> None:
    its = watch(shared_engine, CONTACTS)
    its.read_whole()
    survivor, *merged = its.edit("add", count=3, fields={"ContactStatus": "ACTIVE"})
    its.edit("merge", ids=merged, fields={"MergedToContactID": survivor})

    its.sync()

    kept = its.rows()
    assert [(kept[key].merged_to_contact_id, kept[key].archived) for key in merged] == [(survivor, True)] * 2
    assert (kept[survivor].merged_to_contact_id, kept[survivor].archived) == (None, False)
    assert its.gone() == []
    its.assert_equal()


def test_the_options_of_a_category_that_vanishes_are_gone_when_two_reads_agree(shared_engine: Engine) -> None:
    slug, other = shared_engine.connect(resources=[CATEGORIES, OPTIONS], which=(SMALL, TINY))
    categories, options = (Watched(shared_engine, name, slug, other) for name in (CATEGORIES, OPTIONS))
    (vanishing,) = categories.edit("add", count=2)[:1]
    inside = sorted(options.edit("add", count=4, fields={"TrackingCategoryID": vanishing}))
    shared_engine.settle()
    kept = options.rows()
    assert {kept[key].tracking_category_id for key in inside} == {vanishing}
    # An option that only moves into another category is still there.
    moved, *inside = inside
    staying = next(key for key in categories.there() if key != vanishing)
    options.edit(ids=[moved], fields={"TrackingCategoryID": staying})
    categories.edit("remove", ids=[vanishing])

    for its in (categories, options):
        its.sync()
    assert (categories.gone(), options.gone()) == ([], [])
    for its in (categories, options):
        its.sync()

    assert (categories.gone(), options.gone()) == ([vanishing], inside)
    assert options.told("gone") == inside
    assert options.rows()[moved].tracking_category_id == staying
    options.assert_equal()
    assert told(shared_engine, other, OPTIONS, "gone") == gone(shared_engine, other, OPTIONS) == []
    assert candidates_of(shared_engine, other, OPTIONS) == {}


# --- what the tests above say in their own words ------------------------------------------------------


def add_one_of_each(its: Watched) -> dict[str, str]:
    """A new record of every known status, and of one unknown; returns their words by id."""
    statuses = STATUSES[its.resource]
    words = [*statuses.known, "UNHEARD-OF"]
    return {its.edit("add", fields={statuses.field: word})[0]: word for word in words}


def archive_and_restore(its: Watched) -> tuple[set[str], set[str]]:
    """Give a live record each status that means archived, and an archived one each that does not."""
    statuses = STATUSES[its.resource]
    archived = {key for key, row in its.rows().items() if row.archived}
    live = sorted(its.rows().keys() - archived)
    turned = {its.edit(ids=[live.pop()], fields={statuses.field: word})[0] for word in statuses.archived}
    back = {
        its.edit(ids=[key], fields={statuses.field: word})[0]
        for key, word in zip(sorted(archived), [*statuses.known, "UNHEARD-OF"], strict=False)
        if word not in statuses.archived
    }
    return turned, back
