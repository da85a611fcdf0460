"""The sandbox's organisations change as real ones do, also while they are read."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.endpoints import BY_RESOURCE, ENDPOINTS, Endpoint
from sandbox.testing import Sandbox, SandboxError

CONTACTS, INVOICES = "xero.contacts", "xero.invoices"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=5) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.calm()
    return running


@pytest.fixture
def mine(sandbox: Sandbox) -> str:
    return str(sandbox.tenants()[0]["tenant_id"])


@pytest.fixture
def read(sandbox: Sandbox, mine: str) -> Callable[..., list[dict[str, Any]]]:
    """Read one page of the busy organisation."""
    token = sandbox.access_token(mine)

    def get(path: str = "Contacts", **query: object) -> list[dict[str, Any]]:
        asked = {"page": 1, "includeArchived": "true", **query}
        return list(sandbox.get(mine, path, token, **asked).json()[path])

    return get


def _by_id(sandbox: Sandbox, tenant: str, resource: str = CONTACTS) -> dict[str, dict[str, Any]]:
    name = {"contacts": "ContactID", "invoices": "InvoiceID", "manual_journals": "ManualJournalID"}
    return {row[name[resource.partition(".")[2]]]: row for row in sandbox.dump(tenant, resource)}


def _stamp(row: dict[str, Any]) -> int:
    return int(re.findall(r"-?\d+", row["UpdatedDateUTC"])[0])


def _now_ms(sandbox: Sandbox) -> float:
    return float(sandbox.control("GET", "clock")["now"]) * 1000


def test_an_edit_changes_the_record_stamps_it_now_and_moves_it_to_the_end(sandbox, mine):
    before, began = _by_id(sandbox, mine), _now_ms(sandbox)

    (edited,) = sandbox.edit(mine, CONTACTS)

    after = sandbox.dump(mine, CONTACTS)
    assert after[-1]["ContactID"] == edited
    assert after[-1]["Name"] != before[edited]["Name"]
    assert began - 1 <= _stamp(after[-1]) <= _now_ms(sandbox)
    assert len(after) == len(before)


def test_an_edit_of_one_organisation_leaves_the_others_untouched(sandbox, mine):
    other = sandbox.tenants()[1]["tenant_id"]
    before = sandbox.dump_bytes(other, CONTACTS)

    sandbox.edit(mine, CONTACTS, count=20)

    assert sandbox.dump_bytes(other, CONTACTS) == before


@pytest.mark.parametrize(
    "resource", [CONTACTS, INVOICES, "xero.quotes", "xero.manual_journals", "xero.linked_transactions"]
)
def test_additions_come_last_and_are_new(sandbox, mine, resource):
    before = sandbox.dump(mine, resource)

    added = sandbox.edit(mine, resource, "add", count=3)

    after = sandbox.dump(mine, resource)
    assert len(set(added)) == 3
    assert len(after) == len(before) + 3
    assert after[: len(before)] == before


@pytest.mark.parametrize("resource", ["xero.tax_rates", "xero.organisations"])
def test_a_list_without_stamps_changes_too(sandbox, mine, resource):
    before = sandbox.dump(mine, resource)

    sandbox.edit(mine, resource)

    after = sandbox.dump(mine, resource)
    assert len(after) == len(before)
    assert after != before


def test_an_archived_contact_is_hidden_until_it_is_restored(sandbox, mine, read):
    (archived,) = sandbox.edit(mine, CONTACTS, "archive")

    hidden = [row["ContactID"] for row in read(pageSize=1000, includeArchived="false")]
    assert archived not in hidden
    assert _by_id(sandbox, mine)[archived]["ContactStatus"] == "ARCHIVED"

    sandbox.edit(mine, CONTACTS, "restore", ids=[archived])
    shown = [row["ContactID"] for row in read(pageSize=1000, includeArchived="false")]
    assert shown[-1] == archived


def test_a_voided_invoice_stays_in_its_list(sandbox, mine):
    (voided,) = sandbox.edit(mine, INVOICES, "void")

    assert _by_id(sandbox, mine, INVOICES)[voided]["Status"] == "VOIDED"


def test_a_removed_record_is_gone_without_a_word(sandbox, mine):
    before = sandbox.dump(mine, CONTACTS)

    (removed,) = sandbox.edit(mine, CONTACTS, "remove")

    assert sandbox.dump(mine, CONTACTS) == [row for row in before if row["ContactID"] != removed]


def test_a_contacts_balance_changes_without_a_new_stamp(sandbox, mine):
    before = _by_id(sandbox, mine)

    (changed,) = sandbox.edit(mine, CONTACTS, "silent")

    after = _by_id(sandbox, mine)[changed]
    assert after["UpdatedDateUTC"] == before[changed]["UpdatedDateUTC"]
    assert after["Balances"] != before[changed].get("Balances")


def test_the_due_date_of_a_partly_paid_bill_changes_without_a_new_stamp(sandbox, mine):
    before = _by_id(sandbox, mine, INVOICES)

    (changed,) = sandbox.edit(mine, INVOICES, "silent")

    after = _by_id(sandbox, mine, INVOICES)[changed]
    assert after["Type"] == "ACCPAY"
    assert after["AmountPaid"] > 0 < after["AmountDue"]
    assert after["DueDate"] != before[changed]["DueDate"]
    assert after["UpdatedDateUTC"] == before[changed]["UpdatedDateUTC"]


def test_300_records_can_change_in_one_second(sandbox):
    big = sandbox.tenants()[2]["tenant_id"]

    edited = sandbox.edit(big, CONTACTS, count=300, same_second=True)

    rows = _by_id(sandbox, big)
    assert len(set(edited)) == 300
    assert len({_stamp(rows[each]) // 1000 for each in edited}) == 1


def test_a_late_row_is_shown_after_a_while_under_its_older_stamp(sandbox, mine):
    before = _by_id(sandbox, mine)
    began = _now_ms(sandbox)
    (added,) = sandbox.edit(mine, CONTACTS, "add", visible_after=100)
    (edited,) = sandbox.edit(mine, CONTACTS, visible_after=100)
    stamped_by = _now_ms(sandbox)

    early = _by_id(sandbox, mine)
    sandbox.advance(101)
    late = _by_id(sandbox, mine)

    assert added not in early
    assert early[edited] == before[edited]
    for each in (added, edited):
        assert began - 1 <= _stamp(late[each]) <= stamped_by


def test_rows_already_read_jump_to_the_end_between_two_pages(sandbox, mine, read):
    sandbox.edit(
        mine,
        CONTACTS,
        count=10,
        which="read",
        after_calls={"endpoint": "Contacts", "skip": 0, "every": 1, "times": 1},
    )

    first = [row["ContactID"] for row in read(page=1, pageSize=50)]
    second = [row["ContactID"] for row in read(page=2, pageSize=50)]

    (armed,) = sandbox.armed_edits()
    total = len(sandbox.dump(mine, CONTACTS))
    assert (armed["done"], armed["ids"]) == (1, first[:10])
    # Whoever pages forward by number misses exactly the ten rows that slid back onto page 1.
    everything = [row["ContactID"] for row in read(pageSize=1000)]
    assert second == everything[50:100]
    assert len(everything) == total
    assert set(everything[40:50]).isdisjoint(first)
    assert set(everything[40:50]).isdisjoint(second)


def test_only_rows_that_were_read_count_as_read(sandbox, mine, read):
    shown = [row["ContactID"] for row in read(pageSize=4)]

    edited = sandbox.edit(mine, CONTACTS, count=10, which="read")

    assert edited == shown
    assert sandbox.edit(mine, CONTACTS, count=10, which="read") == []


def test_an_armed_edit_skips_calls_and_comes_at_every_other(sandbox, mine, read):
    sandbox.edit(
        mine, CONTACTS, "add", after_calls={"endpoint": "Contacts", "skip": 1, "every": 2, "times": 2}
    )
    size = len(sandbox.dump(mine, CONTACTS))
    sizes = []

    for _ in range(6):
        read(pageSize=1)
        sizes.append(len(sandbox.dump(mine, CONTACTS)) - size)

    assert sizes == [0, 1, 1, 2, 2, 2]


def test_an_armed_edit_waits_for_its_own_tenants_and_endpoints_calls(sandbox, mine, read):
    other = sandbox.tenants()[1]["tenant_id"]
    sandbox.edit(mine, INVOICES, after_calls={"endpoint": "Contacts"})
    token = sandbox.access_token(mine)

    sandbox.get(other, "Contacts", token)
    read("Invoices")
    waiting = sandbox.armed_edits()[0]["done"]
    read("Contacts")

    assert (waiting, sandbox.armed_edits()[0]["done"]) == (0, 1)


def test_first_picks_from_the_front_of_the_list(sandbox, mine):
    front = [row["ContactID"] for row in sandbox.dump(mine, CONTACTS)[:3]]

    assert sandbox.edit(mine, CONTACTS, count=3, which="first") == front


def test_fields_can_be_set_to_what_one_likes(sandbox, mine):
    (edited,) = sandbox.edit(mine, CONTACTS, fields={"Name": "Ngā Tāngata / Ltd"})

    assert _by_id(sandbox, mine)[edited]["Name"] == "Ngā Tāngata / Ltd"


@pytest.mark.parametrize(("poison", "escape"), [("nul", rb"\u0000"), ("surrogate", rb"\ud800")])
def test_a_record_can_carry_what_no_database_stores(sandbox, mine, poison, escape):
    (edited,) = sandbox.edit(mine, CONTACTS, poison=poison)

    assert b"poisoned " + escape + b" here" in sandbox.dump_bytes(mine, CONTACTS)
    sandbox.edit(mine, CONTACTS, "remove", ids=[edited])


def test_the_same_record_can_be_edited_again_and_again(sandbox, mine):
    (edited,) = sandbox.edit(mine, CONTACTS)

    names = set()
    for _ in range(5):
        sandbox.edit(mine, CONTACTS, ids=[edited])
        names.add(_by_id(sandbox, mine)[edited]["Name"])

    assert len(names) == 5


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("tenant", "nobody", "There is no tenant nobody."),
        ("resource", "xero.cows", "resource must be one of"),
        ("action", "eat", "action must be one of"),
        ("count", 0, "count must be a number of 1 or more."),
        ("count", 1.5, "count must be a whole number."),
        ("count", True, "count must be a number"),
        ("ids", "one", "ids must be a list of texts."),
        ("ids", ["nobody"], "xero.contacts has no record nobody."),
        ("same_second", 1, "same_second must be true or false."),
        ("after_calls", {"endpoint": "Cows"}, "endpoint must be one of"),
        ("after_calls", {"often": 1}, "There is no field often."),
        ("colour", "red", "There is no field colour."),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_in_one_sentence(sandbox, mine, field, value, sentence):
    body = {"tenant": mine, "resource": CONTACTS, field: value}

    with pytest.raises(SandboxError, match=f"^{re.escape(sentence)}"):
        sandbox.control("POST", "edit", body)


def _known(endpoint: Endpoint) -> str:
    return endpoint.resource


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=_known)
def test_in_every_list_a_record_can_be_added_edited_changed_silently_and_removed(sandbox, mine, endpoint):
    resource, stamp = endpoint.resource, endpoint.stamp or ""

    def rows() -> dict[str, dict[str, Any]]:
        return {row[endpoint.id]: row for row in sandbox.dump(mine, resource)}

    before = rows()
    (added,) = sandbox.edit(mine, resource, "add")
    (edited,) = sandbox.edit(mine, resource)
    after = rows()
    (silent,) = sandbox.edit(mine, resource, "silent")
    silently = rows()
    sandbox.edit(mine, resource, "remove", ids=[added])

    assert added not in before
    assert after[edited] != before.get(edited)
    assert silently[silent] != after[silent]
    assert silently[silent].get(stamp) == after[silent].get(stamp)
    assert rows() == {key: row for key, row in silently.items() if key != added}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=_known)
def test_in_every_list_what_was_read_can_change_between_two_calls(sandbox, mine, endpoint):
    token, size = sandbox.access_token(mine), len(sandbox.dump(mine, endpoint.resource))
    sandbox.edit(mine, endpoint.resource, which="read", after_calls={"skip": 0})
    sandbox.edit(mine, endpoint.resource, "add", visible_after=100)

    sandbox.get(mine, endpoint.path, token)
    hidden = len(sandbox.dump(mine, endpoint.resource))
    sandbox.advance(101)

    (armed,) = sandbox.armed_edits()
    assert (armed["done"], len(armed["ids"]), armed["error"]) == (1, 1, None)
    assert (hidden, len(sandbox.dump(mine, endpoint.resource))) == (size, size + 1)


@pytest.mark.parametrize(
    ("resource", "action"),
    [(endpoint.resource, action) for endpoint in ENDPOINTS for action in endpoint.targets],
)
def test_a_status_leads_where_its_list_says(sandbox, mine, resource, action):
    endpoint = BY_RESOURCE[resource]
    if action == "restore":
        sandbox.edit(mine, resource, "archive")

    (changed,) = sandbox.edit(mine, resource, action)

    rows = {row[endpoint.id]: row for row in sandbox.dump(mine, resource)}
    assert rows[changed][endpoint.status] == endpoint.targets[action]


def test_a_merged_contact_is_archived_and_names_an_active_one(sandbox, mine):
    (merged,) = sandbox.edit(mine, CONTACTS, "merge")

    rows = _by_id(sandbox, mine)
    into = rows[merged]["MergedToContactID"]
    assert rows[merged]["ContactStatus"] == "ARCHIVED"
    assert rows[into]["ContactStatus"] == "ACTIVE"
    assert sandbox.dump(mine, CONTACTS)[-1]["ContactID"] == merged


def test_one_may_choose_what_a_contact_is_merged_into(sandbox, mine):
    active = [key for key, row in _by_id(sandbox, mine).items() if row["ContactStatus"] == "ACTIVE"]

    sandbox.edit(mine, CONTACTS, "merge", ids=[active[1]], fields={"MergedToContactID": active[0]})

    assert _by_id(sandbox, mine)[active[1]]["MergedToContactID"] == active[0]


def test_only_contacts_are_merged_and_only_into_another(sandbox, mine):
    nearly_empty = sandbox.tenants()[3]["tenant_id"]

    with pytest.raises(SandboxError, match=r"^xero\.items knows no merge\.$"):
        sandbox.edit(mine, "xero.items", "merge")
    with pytest.raises(SandboxError, match="has no other active record"):
        sandbox.edit(nearly_empty, CONTACTS, "merge", count=100)


def test_a_list_that_knows_no_archive_refuses_to_archive(sandbox, mine):
    with pytest.raises(SandboxError, match=r"^xero\.quotes knows no archive\.$"):
        sandbox.edit(mine, "xero.quotes", "archive")


def test_a_body_that_is_no_json_object_is_refused(sandbox):
    for body in (b"{", b"[1]", b'"x"'):
        answer = sandbox.call("POST", "/_sandbox/edit", body=body)

        assert answer.status == 400
        assert answer.json()["error"].endswith(".")


def test_life_goes_on_by_itself_when_asked_to():
    with Sandbox.start(organisations=2, edits_per_minute=6000) as sandbox:
        tenants = [each["tenant_id"] for each in sandbox.tenants()]
        before = {tenant: sandbox.dump_bytes(tenant, INVOICES) for tenant in tenants}

        deadline = time.monotonic() + 20
        while any(sandbox.dump_bytes(tenant, INVOICES) == before[tenant] for tenant in tenants):
            assert time.monotonic() < deadline
            time.sleep(0.02)
