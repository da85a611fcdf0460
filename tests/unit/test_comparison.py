"""Each way in which a stored list can differ from the provider's is seen, and nothing else is."""

from ledgertide.demo.comparison import add_up, compare

PROVIDER = {"a": '{"n": 1.00}', "b": '{"n": 2}', "c": '{"n": 3}'}


def test_equal_lists_do_not_differ() -> None:
    found = compare(PROVIDER, dict(PROVIDER))

    assert found.is_none
    assert (found.at_provider, found.in_store) == (3, 3)


def test_an_altered_a_deleted_and_an_added_row_are_one_of_each() -> None:
    store = {"a": '{"n": 1.00}', "b": '{"n": 2.0}', "d": '{"n": 4}'}

    found = compare(PROVIDER, store)

    assert (found.missing, found.extra, found.stale) == (("c",), ("d",), ("b",))


def test_a_digit_less_is_a_difference() -> None:
    assert compare({"a": '{"n": 1.00}'}, {"a": '{"n": 1.0}'}).stale == ("a",)


def test_the_same_record_in_two_organisations_counts_twice() -> None:
    one = compare({"a": "1"}, {})

    both = add_up([one, one])

    assert (both.at_provider, len(both.missing)) == (2, 2)
