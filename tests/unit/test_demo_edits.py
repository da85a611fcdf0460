"""Who edits what in the demo: every list has its turn, and nobody has more full reads than calls."""

from collections import Counter

from ledgertide.demo.edits import EDITS, FULL_AT_MOST, ITSELF, RESOURCES, Customer, deal

CUSTOMERS = [
    Customer(f"customer-{number}", {"xero": f"tenant-{number}"} | ({} if number == 2 else {"dext": "acc"}))
    for number in range(8)
]


def test_every_list_that_is_read_is_edited_and_grows() -> None:
    edited = {resource for resource, action, _ in EDITS if action == "edit"}
    grown = {resource for resource, action, _ in EDITS if action == "add"}

    assert edited == set(RESOURCES)
    assert grown == set(RESOURCES) - {ITSELF}


def test_each_list_goes_to_one_organisation_and_the_organisations_share_them() -> None:
    dealt = deal(RESOURCES, CUSTOMERS)

    assert [resource for _, resource in dealt] == list(RESOURCES)
    assert all(customer.has(resource) for customer, resource in dealt)
    assert max(Counter(customer.slug for customer, _ in dealt).values()) <= FULL_AT_MOST


def test_few_organisations_take_only_what_their_calls_carry() -> None:
    lists = [f"xero.list_{number}" for number in range(40)]

    assert len(deal(lists, CUSTOMERS[:2])) == 2 * FULL_AT_MOST
    assert deal(lists, []) == []
