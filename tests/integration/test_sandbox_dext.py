"""The sandbox's Dext is as strict as the contract, and goes wrong only when asked to."""

import base64
import hashlib
import http.client
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from sandbox.testing import Answer, Sandbox, SandboxError
from tests.integration.dext_client import DextClient

YEAR = 365 * 86_400
LISTS = ("categories", "suppliers", "customers", "tax_rates", "tracking", "bank_accounts", "projects")
STATUSES = {"processing", "to_review", "ready", "publish_failed", "published", "archived", "deleted"}
NOW = "2026-11-20T08:00:00Z"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=5) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.calm()
    running.limits("dext", minute=10_000)
    return running


@pytest.fixture
def dext(sandbox: Sandbox) -> DextClient:
    """An account of middling size whose consent is as good as new."""
    return _client(sandbox, 0)


@pytest.fixture
def other(sandbox: Sandbox) -> DextClient:
    return _client(sandbox, 1)


def _client(sandbox: Sandbox, place: int) -> DextClient:
    account = sandbox.dext_grants()["accounts"][place]["account_id"]
    sandbox.control("POST", "dext/connect", {"account": account})
    return DextClient(sandbox, place)


def _granted(dext: DextClient) -> str:
    accounts = dext.sandbox.dext_grants()["accounts"]
    return str(next(each["refresh_token"] for each in accounts if each["account_id"] == dext.account))


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["updated_at"], item["id"]


def _code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def _item(dext: DextClient, item_id: str) -> dict[str, Any]:
    return dict(dext.get(f"cost-items/{item_id}").json())


def _published(dext: DextClient, count: int = 1) -> list[dict[str, Any]]:
    return list(dext.get("cost-items", status="published", limit=count).json()["data"])


def _added(dext: DextClient, **wishes: Any) -> str:
    (item_id,) = dext.sandbox.edit(dext.account, "dext.items", "add", **wishes)
    return item_id


# Who may come in.


def test_each_account_belongs_to_an_organisation_and_the_nearly_empty_one_has_none(sandbox):
    tenants = [tenant["tenant_id"] for tenant in sandbox.tenants()]

    accounts = sandbox.dext_grants()["accounts"]

    assert [account["tenant_id"] for account in accounts] == [*tenants[:3], tenants[4]]
    assert len({account["account_id"] for account in accounts}) == 4


def test_a_refresh_token_rotates_and_the_old_one_is_dead_at_once(sandbox, dext):
    old = _granted(dext)

    pair = sandbox.dext_refresh(old)
    again, next_one = sandbox.dext_refresh(old), sandbox.dext_refresh(pair.json()["refresh_token"])

    assert (pair.status, pair.json()["token_type"], pair.json()["expires_in"]) == (200, "Bearer", 3600)
    assert (again.status, again.json()) == (400, {"error": "invalid_grant"})
    assert next_one.status == 200


def test_by_switch_the_old_refresh_token_has_some_grace_on_the_sandboxs_clock(sandbox, dext):
    sandbox.dext_switch(dext.account, grace_seconds=60)
    old = _granted(dext)
    sandbox.dext_refresh(old)

    in_time = sandbox.dext_refresh(old).status
    sandbox.advance(61)

    assert (in_time, sandbox.dext_refresh(old).status) == (200, 400)


def test_by_switch_a_token_answer_tells_no_lifetime_and_no_new_refresh_token(sandbox, dext):
    sandbox.dext_switch(dext.account, refresh_token="stays", expires_in="absent")
    token = _granted(dext)

    first, second = sandbox.dext_refresh(token), sandbox.dext_refresh(token)

    assert (first.status, second.status) == (200, 200)
    assert {"expires_in", "refresh_token"}.isdisjoint(first.json())


def test_the_token_endpoint_knows_its_client_by_form_or_by_header(sandbox, dext):
    app, form = sandbox.dext_grants(), {"grant_type": "refresh_token", "refresh_token": _granted(dext)}
    basic = base64.b64encode(f"{app['client_id']}:{app['client_secret']}".encode()).decode()

    def ask(authorization: str | None, **more: str) -> Answer:
        headers = {"Authorization": f"Basic {authorization}"} if authorization else {}
        body = urllib.parse.urlencode(form | more).encode()
        return sandbox.call("POST", "/dext/oauth/token", headers, body)

    wrong = [ask(None), ask("bm9ib2R5Og=="), ask(None, client_id=app["client_id"], client_secret="x")]
    other_grant = ask(basic, grant_type="password")

    assert [(answer.status, answer.json()) for answer in wrong] == [(401, {"error": "invalid_client"})] * 3
    assert other_grant.json() == {"error": "unsupported_grant_type"}
    assert ask(basic).status == 200


def test_an_access_token_lives_an_hour(sandbox, dext):
    sandbox.advance(3000)
    before = dext.get("account").status
    sandbox.advance(700)

    assert before == 200
    assert _code(dext.get("account")) == (401, "token_expired")


def test_a_connection_ends_after_a_year_and_lives_again_by_a_new_consent(sandbox, dext):
    expires_at = datetime.fromisoformat(dext.get("account").json()["connection"]["expires_at"])
    now = sandbox.control("GET", "clock")["now"]
    sandbox.advance(YEAR - 60)
    fresh = sandbox.dext_refresh(_granted(dext)).json()
    dext.token = fresh["access_token"]
    before = dext.get("account").status
    sandbox.advance(120)

    assert abs(expires_at.timestamp() - now - YEAR) < 60
    assert before == 200
    assert _code(dext.get("account")) == (401, "connection_expired")
    assert sandbox.dext_refresh(fresh["refresh_token"]).json() == {"error": "invalid_grant"}
    assert _client(sandbox, 0).get("account").status == 200


def test_a_revoked_token_of_either_kind_ends_the_grant(sandbox, dext, other):
    app = sandbox.dext_grants()

    def revoke(token: str) -> int:
        form = {name: app[name] for name in ("client_id", "client_secret")} | {"token": token}
        return sandbox.call("POST", "/dext/oauth/revoke", body=urllib.parse.urlencode(form).encode()).status

    refresh = _granted(dext)
    statuses = [revoke(refresh), revoke(other.token), revoke("of nobody")]

    assert statuses == [200, 200, 200]
    assert (_code(dext.get("account")), _code(other.get("account"))) == ((401, "unauthorised"),) * 2
    assert sandbox.dext_refresh(refresh).json() == {"error": "invalid_grant"}


def test_calls_need_a_token_and_a_request_id(dext):
    stranger = dext.call("GET", "account", {"Authorization": "Bearer nobody"})
    anonymous = dext.call("GET", "account", {"X-Request-Id": ""})
    named = dext.call("GET", "lists/nothing", {"X-Request-Id": "abc"})

    assert _code(stranger) == (401, "unauthorised")
    assert _code(anonymous) == (400, "request_id_missing")
    assert named.json()["error"]["request_id"] == "abc"


def test_an_account_tells_its_features_as_switched(sandbox, dext):
    usual = dext.get("account").json()
    sandbox.dext_switch(dext.account, features={"tax_list_enabled": False})

    assert (usual["id"], usual["connection"]["status"]) == (dext.account, "active")
    assert (usual["features"]["list_push"], usual["features"]["tax_list_enabled"]) == (True, None)
    assert dext.get("account").json()["features"] == usual["features"] | {"tax_list_enabled": False}


# Cost items.


def test_items_are_of_every_status_and_their_money_is_told_in_strings(dext):
    items = dext.rows("cost-items", include_deleted="true")

    read = [item for item in items if item["status"] != "processing"]
    amounts = [item[name] for item in read for name in ("net_amount", "tax_amount", "total_amount")]

    assert {item["status"] for item in items} == STATUSES
    assert {"invoice", "receipt", "credit_note"} <= {item["type"] for item in items}
    assert all(isinstance(amount, str) and Decimal(amount).as_tuple().exponent == -2 for amount in amounts)
    assert {bool(item["line_items"]) for item in read} == {True, False}


def test_only_what_was_published_has_a_publication_and_only_what_is_deleted_its_time(dext):
    items = dext.rows("cost-items", include_deleted="true")

    assert len({item["publication"]["id"] for item in items if item["publication"]}) > 50
    for item in items:
        is_published = item["status"] in {"published", "archived"}
        assert (item["publication"] is not None, item["published_at"] is not None) == (is_published,) * 2
        assert (item["deleted_at"] is not None) == (item["status"] == "deleted")


def test_most_headers_are_the_sum_of_their_lines_and_some_are_off_by_a_cent_or_more(dext):
    differences = {
        Decimal(item["total_amount"]) - sum(Decimal(line["total_amount"]) for line in item["line_items"])
        for item in dext.rows("cost-items")
        if item["line_items"]
    }

    assert {Decimal("0.00"), Decimal("0.01"), Decimal("0.50")} <= differences


def test_amounts_come_as_numbers_as_null_or_mixed_by_switch(sandbox, dext):
    (usual,) = _published(dext)

    def seen(way: str) -> list[dict[str, Any]]:
        sandbox.dext_switch(dext.account, amounts=way)
        return _published(dext, 100)

    numbers, nulls, mixed = seen("numbers"), seen("nulls"), seen("mixed")

    told = next(item for item in numbers if item["id"] == usual["id"])
    assert isinstance(told["total_amount"], Decimal)
    assert str(told["total_amount"]) == usual["total_amount"]
    assert str(told["line_items"][0]["unit_amount"]) == usual["line_items"][0]["unit_amount"]
    assert {(item["net_amount"], item["base"]) for item in nulls} == {(None, None)}
    assert all(item["total_amount"] for item in nulls)
    assert {type(item["net_amount"]) for item in mixed} == {str, Decimal, type(None)}
    assert _ids(dext.dump("dext.items"))  # and so does the dump
    assert {type(item["net_amount"]) for item in dext.dump("dext.items")} >= {Decimal, str}


def test_an_account_without_lines_tells_none(sandbox, dext):
    sandbox.dext_switch(dext.account, features={"line_items": False})

    assert not any(item["line_items"] for item in dext.rows("cost-items"))


def test_a_record_has_the_same_bytes_in_a_list_alone_and_in_the_dump(sandbox, dext):
    page, dump = dext.get("cost-items").body, sandbox.dump_bytes(dext.account, "dext.items")

    for item in _published(dext, 5):
        alone = dext.get(f"cost-items/{item['id']}").body
        assert alone in page
        assert alone in dump


def test_an_unknown_item_is_not_found_and_neither_is_one_of_another_account(dext, other):
    (theirs,) = _published(other)

    assert _code(dext.get("cost-items/1")) == (404, "not_found")
    assert _code(dext.get(f"cost-items/{theirs['id']}")) == (404, "not_found")


# What a list is asked.


def test_items_stand_in_order_of_their_time_and_id(dext):
    items = dext.rows("cost-items", limit=7)

    assert items == sorted(items, key=_key)
    assert len(set(_ids(items))) == len(items)


def test_what_changed_in_one_second_stands_in_order_of_its_id(sandbox, dext):
    low, high = sorted(_ids(_published(dext, 2)))

    sandbox.edit(dext.account, "dext.items", ids=[high, low], same_second=True)

    assert _ids(dext.rows("cost-items"))[-2:] == [low, high]


def test_updated_since_is_inclusive(dext):
    items = dext.rows("cost-items")
    at = items[60]["updated_at"]

    told = dext.rows("cost-items", updated_since=at)

    assert told == [item for item in items if item["updated_at"] >= at]
    assert items[60] in told


def test_deletions_are_told_only_when_asked_for(dext):
    (item_id,) = dext.sandbox.edit(dext.account, "dext.items", "delete", which="first")

    plain, all_of_them = dext.rows("cost-items"), dext.rows("cost-items", include_deleted="true")

    assert item_id not in _ids(plain)
    assert all_of_them[-1]["id"] == item_id
    assert all_of_them[-1]["deleted_at"] == all_of_them[-1]["updated_at"]
    assert _item(dext, item_id)["status"] == "deleted"
    assert _code(dext.get(f"cost-items/{item_id}/file")) == (404, "not_found")


def test_items_of_some_statuses_can_be_asked_for(dext):
    told = dext.rows("cost-items", status="published,archived")

    assert {item["status"] for item in told} == {"published", "archived"}
    assert dext.get("cost-items", status="shiny").status == 422


@pytest.mark.parametrize(
    "question",
    [
        {"updated_since": "yesterday"},
        {"updated_since": "2026-11-20T08:00:00"},  # of which zone?
        {"limit": 0},
        {"limit": "all"},
        {"cursor": "made-up"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_the_field(dext, question):
    answer = dext.get("cost-items", **question)

    assert _code(answer) == (422, "invalid")
    assert [each["path"] for each in answer.json()["error"]["fields"]] == list(question)


def test_a_page_is_no_longer_than_the_switch_allows(sandbox, dext):
    usual = dext.get("cost-items", limit=5000).json()
    sandbox.dext_switch(dext.account, page_size=10)

    short = dext.get("cost-items", limit=50).json()

    assert (len(usual["data"]), usual["page"]["limit"]) == (100, 100)
    assert (len(short["data"]), short["page"]["limit"]) == (10, 10)


def test_a_cursor_serves_its_own_question_alone(dext):
    cursor = dext.get("cost-items", limit=5).json()["page"]["next_cursor"]

    refused = dext.get("cost-items", cursor=cursor, status="published")

    assert refused.json()["error"]["fields"] == [{"path": "cursor", "code": "of_another_question"}]


def test_a_cursor_meets_again_at_the_end_what_changed_meanwhile(dext):
    first = dext.get("cost-items", limit=50).json()
    (moved,) = dext.sandbox.edit(dext.account, "dext.items", ids=[first["data"][0]["id"]])

    rest = dext.rows("cost-items", cursor=first["page"]["next_cursor"])

    assert rest[-1]["id"] == moved
    assert set(_ids(first["data"] + rest)) == set(_ids(dext.rows("cost-items")))


def test_pages_by_number_lose_a_record_when_one_changes_meanwhile(sandbox, dext):
    sandbox.dext_switch(dext.account, paging="page")
    before = [item for page in (1, 2) for item in dext.get("cost-items", page=page).json()["data"]]
    first = dext.get("cost-items", page=1).json()
    sandbox.edit(dext.account, "dext.items", ids=[first["data"][0]["id"]])
    second = dext.get("cost-items", page=2).json()

    assert first["page"] == {"next_cursor": None, "page": 1, "limit": 100}
    assert before[100]["id"] not in _ids(first["data"] + second["data"])
    assert dext.get("cost-items", page=9).json()["data"] == []


def test_without_pages_one_answer_holds_everything(sandbox, dext):
    paged = dext.rows("cost-items", include_deleted="true")
    sandbox.dext_switch(dext.account, paging="none")

    whole = dext.get("cost-items", limit=5, include_deleted="true").json()

    assert whole == {"data": paged, "page": {"next_cursor": None, "limit": None}}


def test_filters_short_pages_and_order_go_wrong_when_asked_to(sandbox, dext):
    usual = dext.get("cost-items").json()["data"]

    def ask(kind: str, **query: object) -> list[dict[str, Any]]:
        sandbox.faults(kind, endpoint="dext.items", tenant=dext.account)
        return list(dext.get("cost-items", **query).json()["data"])

    assert ask("filter_ignored", updated_since="2099-01-01T00:00:00Z") == usual
    assert ask("empty_list") == []
    assert ask("short_page") == usual[:-1]
    assert ask("wrong_order") == usual[::-1]


# What people do meanwhile.


def test_an_item_is_published_republished_unpublished_and_each_is_a_new_version(sandbox, dext):
    item_id = _added(dext)

    def do(action: str) -> dict[str, Any]:
        sandbox.edit(dext.account, "dext.items", action, ids=[item_id])
        return _item(dext, item_id)

    added = _item(dext, item_id)
    published, republished, unpublished = do("publish"), do("republish"), do("unpublish")

    assert (added["status"], added["publication"], added["version"]) == ("ready", None, 1)
    assert (published["status"], published["publication"]["attempt"], published["version"]) == (
        "published",
        1,
        2,
    )
    assert (republished["publication"]["attempt"], republished["version"]) == (2, 3)
    assert republished["publication"]["id"] != published["publication"]["id"]
    assert (unpublished["status"], unpublished["publication"], unpublished["published_at"]) == (
        "ready",
        None,
        None,
    )


def test_an_edit_is_stamped_and_counted_and_a_silent_one_is_neither(sandbox, dext):
    (before,) = _published(dext)

    sandbox.edit(dext.account, "dext.items", "silent", ids=[before["id"]], fields={"total_amount": "1.00"})
    silent = _item(dext, before["id"])
    sandbox.edit(dext.account, "dext.items", ids=[before["id"]], fields={"total_amount": "2.00"})
    edited = _item(dext, before["id"])

    assert (silent["total_amount"], edited["total_amount"]) == ("1.00", "2.00")
    assert (silent["version"], silent["updated_at"]) == (before["version"], before["updated_at"])
    assert edited["version"] == before["version"] + 1
    assert edited["updated_at"] > before["updated_at"]


def test_a_removed_item_is_gone_without_a_word(sandbox, dext):
    (removed,) = sandbox.edit(dext.account, "dext.items", "remove")

    assert removed not in _ids(dext.rows("cost-items", include_deleted="true"))
    assert dext.get(f"cost-items/{removed}").status == 404


def test_an_item_shows_late_under_its_older_time(sandbox, dext):
    item_id = _added(dext, visible_after=600)
    hidden = dext.get(f"cost-items/{item_id}").status
    later = _added(dext)
    sandbox.advance(601)

    items = dext.rows("cost-items")

    assert hidden == 404
    assert _ids(items).index(item_id) < len(items) - 1
    assert _item(dext, item_id)["updated_at"] <= _item(dext, later)["updated_at"]


def test_an_armed_edit_comes_between_two_pages(sandbox, dext):
    wish = {"endpoint": "dext.items", "skip": 1}
    sandbox.edit(dext.account, "dext.items", "delete", which="read", after_calls=wish)

    read = dext.rows("cost-items", limit=40)
    (armed,) = sandbox.armed_edits()

    assert (armed["done"], armed["error"]) == (1, None)
    assert armed["ids"][0] in _ids(read)  # as it was, before it went
    assert armed["ids"][0] not in _ids(dext.rows("cost-items"))


def test_dext_knows_no_merge_and_xero_no_publishing(sandbox, dext):
    with pytest.raises(SandboxError, match=r"dext\.items knows no merge"):
        sandbox.edit(dext.account, "dext.items", "merge")
    with pytest.raises(SandboxError, match=r"xero\.contacts knows no publish"):
        sandbox.edit(dext.tenant, "xero.contacts", "publish")


# Files.


def _sha(answer: Answer) -> str:
    return hashlib.sha256(answer.body).hexdigest()


def test_a_file_has_the_size_and_hash_that_its_item_tells(dext):
    for item in _published(dext, 3):
        answer = dext.get(f"cost-items/{item['id']}/file")

        assert (answer.status, answer.headers["Content-Type"]) == (200, item["file"]["content_type"])
        assert (len(answer.body), _sha(answer)) == (item["file"]["size"], item["file"]["sha256"])


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        return None


def _location(dext: DextClient, item_id: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
    headers = {"Authorization": f"Bearer {dext.token}", "X-Request-Id": "1"}
    address = f"{dext.sandbox.url}/dext/v1/cost-items/{item_id}/file"
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the sandbox's own address
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request)
    with caught.value as answer:
        assert answer.code == 302
        return str(answer.headers["Location"])


def test_by_switch_a_file_is_behind_a_link_that_lives_five_minutes(sandbox, dext):
    sandbox.dext_switch(dext.account, files="link")
    (item,) = _published(dext)
    link = _location(dext, item["id"])

    good, forged = sandbox.call("GET", link), sandbox.call("GET", f"{link}0")
    sandbox.advance(240)
    still = sandbox.call("GET", link).status
    sandbox.advance(70)

    assert _sha(good) == item["file"]["sha256"]
    assert (_code(forged), still) == ((403, "forbidden"), 200)
    assert _code(sandbox.call("GET", link)) == (403, "link_expired")


def test_a_file_is_another_or_far_too_large_when_asked_to(sandbox, dext):
    (item,) = _published(dext)

    def ask(kind: str) -> Answer:
        sandbox.faults(kind, endpoint="dext.file", tenant=dext.account)
        return dext.get(f"cost-items/{item['id']}/file")

    wrong, large = ask("wrong_hash"), ask("too_large")

    assert len(wrong.body) == item["file"]["size"]
    assert _sha(wrong) != item["file"]["sha256"]
    assert len(large.body) == int(large.headers["Content-Length"]) > 25_000_000


def test_a_slow_file_trickles_and_comes_whole(sandbox, dext):
    (item,) = _published(dext)
    sandbox.faults("trickle", endpoint="dext.file", seconds=0.3)
    began = time.monotonic()

    answer = dext.get(f"cost-items/{item['id']}/file")

    assert time.monotonic() - began >= 0.3
    assert _sha(answer) == item["file"]["sha256"]


def test_a_file_can_be_cut(sandbox, dext):
    (item,) = _published(dext)
    sandbox.faults("cut", endpoint="dext.file")

    with pytest.raises(http.client.IncompleteRead):
        dext.get(f"cost-items/{item['id']}/file")


# Lists.


def _entry(**changes: Any) -> dict[str, Any]:
    entry = {"external_id": "xero:tax:NEW", "code": "NEW", "name": "New rate", "active": True}
    return entry | {"attributes": {"rate": "7.5000"}} | changes


def _push(dext: DextClient, entries: list[Any], mode: str = "upsert", kind: str = "tax_rates") -> Answer:
    return dext.write("PUT", f"lists/{kind}", {"mode": mode, "snapshot_at": NOW, "entries": entries})


def _job(dext: DextClient, pushed: Answer) -> dict[str, Any]:
    return dict(dext.get(f"list-jobs/{pushed.json()['job_id']}").json())


def test_every_list_is_told_page_by_page_in_order_and_knows_no_filter(dext):
    for kind in LISTS:
        rows = dext.rows(f"lists/{kind}", limit=30, updated_since="2099-01-01T00:00:00Z")

        assert rows == sorted(rows, key=_key) == dext.dump(f"dext.{kind}")
        assert rows
    assert _code(dext.get("lists/items")) == (404, "not_found")


def test_external_ids_are_those_of_the_organisation_in_xero(sandbox, dext):
    def xero(resource: str, kind: str, name: str) -> set[str]:
        return {f"xero:{kind}:{each[name]}" for each in sandbox.dump(dext.tenant, resource)}

    def told(kind: str) -> set[str]:
        return {each["external_id"] for each in dext.dump(f"dext.{kind}")}

    accounts, contacts = (
        xero("xero.accounts", "account", "AccountID"),
        xero("xero.contacts", "contact", "ContactID"),
    )
    options = {
        option["external_id"]
        for category in dext.dump("dext.tracking")
        for option in category["attributes"]["options"]
    }
    suppliers = {
        f"xero:contact:{each['ContactID']}"
        for each in sandbox.dump(dext.tenant, "xero.contacts")
        if each["IsSupplier"]
    }
    assert told("categories") | told("bank_accounts") == accounts
    assert told("suppliers") == suppliers
    assert told("customers") < contacts
    assert told("tracking") < xero("xero.tracking_categories", "tracking", "TrackingCategoryID")
    assert options <= xero("xero.tracking_options", "option", "TrackingOptionID")
    assert told("projects") == {None}


def _differences(sandbox: Sandbox, dext: DextClient) -> set[str]:
    xero = {f"xero:tax:{each['TaxType']}": each for each in sandbox.dump(dext.tenant, "xero.tax_rates")}
    mine = {each["external_id"]: each for each in dext.dump("dext.tax_rates") if each["external_id"]}
    both = [(mine[name], xero[name]) for name in mine.keys() & xero.keys()]
    found = {
        "missing_in_dext": xero.keys() - mine.keys(),
        "missing_in_xero": mine.keys() - xero.keys(),
        "rate_differs": [a for a, b in both if Decimal(a["attributes"]["rate"]) != b["EffectiveRate"]],
        "name_differs": [a for a, b in both if a["name"] != b["Name"]],
        "inactive": [a for a in mine.values() if not a["active"]],
    }
    return {name for name, rows in found.items() if rows}


def test_the_tax_list_differs_in_every_way_and_for_every_fourth_organisation_in_none(sandbox):
    dext, other = _client(sandbox, 2), _client(sandbox, 1)

    assert len(_differences(sandbox, dext)) == 5
    assert _differences(sandbox, other) == set()


def test_an_upsert_adds_and_changes_and_stamps_only_what_is_new(dext):
    before = {each["external_id"]: each for each in dext.dump("dext.tax_rates")}
    same, changed = list(before.values())[:2]

    pushed = _push(dext, [same, changed | {"name": "Renamed"}, _entry()])
    job = _job(dext, pushed)
    after = {each["external_id"]: each for each in dext.dump("dext.tax_rates")}

    assert (pushed.status, pushed.json()["status"]) == (202, "queued")
    assert (job["status"], job["accepted"], job["rejected"]) == ("succeeded", 3, [])
    assert after[same["external_id"]] == same
    assert after[changed["external_id"]]["id"] == changed["id"]
    assert after[changed["external_id"]]["updated_at"] > changed["updated_at"]
    assert after["xero:tax:NEW"]["id"] not in {each["id"] for each in before.values()}
    assert len(after) == len(before) + 1


def test_a_replace_archives_what_is_absent_and_never_deletes(other):
    before = other.dump("dext.tax_rates")
    sent = [_entry(), before[0]]

    job = _job(other, _push(other, sent, "replace"))
    after = {each["external_id"]: each for each in other.dump("dext.tax_rates")}

    assert job["status"] == "succeeded"
    assert {name for name, each in after.items() if each["active"]} == {each["external_id"] for each in sent}
    assert len(after) == len(before) + 1


def test_entries_are_rejected_one_by_one_with_a_code_and_a_sentence(sandbox, dext):
    sandbox.dext_switch(dext.account, reject=["xero:tax:NO"])
    wrong = {
        "external_id_missing": _entry(external_id=None),
        "name_missing": _entry(external_id="xero:tax:A", name=" "),
        "rate_invalid": _entry(external_id="xero:tax:B", attributes={"rate": 7.5}),
        "active_invalid": _entry(external_id="xero:tax:C", active="yes"),
        "attributes_invalid": _entry(external_id="xero:tax:D", attributes=[1]),
        "not_accepted": _entry(external_id="xero:tax:NO"),
        "duplicate": _entry(name="Again"),
    }

    partly = _job(dext, _push(dext, [_entry(), *wrong.values()]))
    failed = _job(dext, _push(dext, [wrong["name_missing"]], "replace"))

    assert (partly["status"], partly["accepted"]) == ("partly_failed", 1)
    assert [(each["code"], each["external_id"]) for each in partly["rejected"]] == [
        (code, entry["external_id"]) for code, entry in wrong.items()
    ]
    assert all(each["message"].endswith(".") for each in partly["rejected"])
    assert (failed["status"], failed["accepted"]) == ("failed", 0)
    assert any(each["active"] for each in dext.dump("dext.tax_rates"))  # a failed replace does nothing


def test_a_job_is_queued_runs_and_ends_on_the_sandboxs_clock(sandbox, dext):
    sandbox.dext_switch(dext.account, job_seconds=100)
    pushed = _push(dext, [_entry(external_id="xero:tax:SLOW")])

    def seen() -> tuple[str, bool]:
        told = {each["external_id"] for each in dext.rows("lists/tax_rates")}
        return _job(dext, pushed)["status"], "xero:tax:SLOW" in told

    states = [seen()]
    for _ in range(2):
        sandbox.advance(55)
        states.append(seen())

    assert states == [("queued", False), ("running", False), ("succeeded", True)]


def test_what_is_no_list_is_refused_whole(dext, other):
    job_id = _push(other, [_entry()]).json()["job_id"]

    def refused(**changes: Any) -> tuple[int, list[str]]:
        body = {"mode": "upsert", "snapshot_at": NOW, "entries": []} | changes
        answer = dext.write("PUT", "lists/categories", body)
        return answer.status, [each["path"] for each in answer.json()["error"]["fields"]]

    assert refused(mode="merge") == (422, ["mode"])
    assert refused(snapshot_at="today") == (422, ["snapshot_at"])
    assert refused(entries=[_entry()] * 501) == (422, ["entries"])
    assert _code(dext.write("PUT", "lists/items", {})) == (404, "not_found")
    assert _code(dext.get(f"list-jobs/{job_id}")) == (404, "not_found")  # another account's


def test_500_entries_are_taken_at_once(dext):
    entries = [_entry(external_id=f"xero:contact:{n}", name=f"S {n}", attributes={}) for n in range(500)]

    assert _job(dext, _push(dext, entries, kind="suppliers"))["accepted"] == 500


def test_an_account_without_the_feature_takes_no_lists_and_no_outcomes(sandbox, dext):
    sandbox.dext_switch(dext.account, features={"list_push": False, "outcome_report": False})
    (item,) = _published(dext)

    refused = [_push(dext, []), dext.write("POST", f"cost-items/{item['id']}/outcome", {})]

    assert [_code(answer) for answer in refused] == [(403, "feature_unavailable")] * 2


# Outcomes, and writes at all.


def _report(item: dict[str, Any], result: str = "approved", **changes: Any) -> dict[str, Any]:
    xero = {"type": "bill", "id": "b", "number": "INV-1", "status": "AUTHORISED", "url": None}
    told = {"publication_id": item["publication"]["id"], "result": result, "code": None, "message": None}
    return told | {"xero": xero, "at": NOW} | changes


def _reported(dext: DextClient) -> list[dict[str, Any]]:
    return list(dext.sandbox.control("GET", f"dext/outcomes/{dext.account}")["outcomes"])


def test_an_outcome_told_twice_is_written_once_and_answered_the_same(dext, other):
    (item,) = _published(dext)
    path, before = f"cost-items/{item['id']}/outcome", len(_reported(dext))

    first = dext.write("POST", path, _report(item), "dext:1")
    dext.sandbox.advance(30)
    again = dext.write("POST", path, _report(item), "dext:1")
    other_key = dext.write("POST", path, _report(item), "dext:2")

    assert first.status == 200
    assert first.body == again.body == other_key.body
    assert len(_reported(dext)) == before + 1
    assert _reported(dext)[-1]["report"] == _report(item)
    assert _reported(other) == []


def test_an_outcome_of_another_publication_or_of_none_is_refused(dext):
    item = _item(dext, _published(dext)[0]["id"])
    path = f"cost-items/{item['id']}/outcome"
    dext.sandbox.edit(dext.account, "dext.items", "republish", ids=[item["id"]])

    outdated = dext.write("POST", path, _report(item))
    wrong = dext.write("POST", path, _report(item, "paid", xero=3))

    assert _code(outdated) == (409, "publication_outdated")
    assert [each["path"] for each in wrong.json()["error"]["fields"]] == ["result", "xero"]
    assert dext.write("POST", "cost-items/1/outcome", _report(item)).status == 404


def test_a_write_needs_a_key_that_no_other_write_had(dext):
    body = b'{"mode":"upsert","snapshot_at":"2026-11-20T08:00:00Z","entries":[]}'

    def put(key: str, sent: bytes = body) -> Answer:
        return dext.call("PUT", "lists/projects", {"Idempotency-Key": key}, sent)

    first, again, other_body = put("k"), put("k"), put("k", body + b" ")

    assert _code(put("")) == (400, "idempotency_key_missing")
    assert _code(put("x" * 129)) == (400, "idempotency_key_too_long")
    assert (first.status, first.body) == (202, again.body)
    assert _code(other_body) == (409, "idempotency_key_reused")
    assert _code(put("n", b"{")) == (400, "not_json")
    assert put("n").status == 202  # what was refused is not remembered


# Limits and errors.


def test_sixty_calls_a_minute_and_the_next_waits_as_it_is_told(sandbox, dext, other):
    sandbox.calm()
    sandbox.limits("dext", style="rolling")
    usual = [dext.get("account") for _ in range(60)]

    refused, elsewhere = dext.get("account"), other.get("account")
    wait = int(refused.headers["Retry-After"])
    sandbox.advance(wait - 30)
    early = dext.get("account").status
    sandbox.advance(31)

    assert {answer.status for answer in usual} == {200}
    assert [int(answer.headers["X-RateLimit-Remaining"]) for answer in usual] == [*range(59, -1, -1)]
    assert refused.headers["X-RateLimit-Limit"] == "60"
    assert (_code(refused), elsewhere.status) == ((429, "rate_limited"), 200)
    assert 30 < wait <= 60
    assert (early, dext.get("account").status) == (429, 200)


def test_by_switch_a_429_names_a_date_or_nothing(sandbox, dext):
    sandbox.limits(dext.account, minute=0, style="rolling")
    sandbox.dext_switch(dext.account, retry_after="date")
    dated = dext.get("account")
    sandbox.dext_switch(dext.account, retry_after="none")
    bare = dext.get("account")

    until = parsedate_to_datetime(dated.headers["Retry-After"])
    now = datetime.fromtimestamp(sandbox.control("GET", "clock")["now"], UTC)
    assert 30 < (until - now).total_seconds() <= 60
    assert (bare.status, bare.headers["Retry-After"]) == (429, None)


def test_a_third_call_at_once_is_refused(sandbox, dext):
    after = sandbox.last_call()
    sandbox.faults("held", endpoint="dext.account", tenant=dext.account, count=2)
    held = [threading.Thread(target=dext.get, args=("account",)) for _ in range(2)]
    for thread in held:
        thread.start()
    deadline = time.monotonic() + 60
    while sandbox.limits()["dext"][dext.account]["in_flight_now"] < 2:
        assert time.monotonic() < deadline

    refused = dext.get("cost-items")
    sandbox.clear_faults()
    for thread in held:
        thread.join()

    calls = {call["endpoint"]: call for call in sandbox.calls(after)}
    assert _code(refused) == (429, "rate_limited")
    assert calls["dext.items"]["problem"] == "concurrent"
    assert dext.get("cost-items").status == 200


def test_dexts_calls_use_up_nothing_of_xeros(sandbox, dext):
    before = sandbox.limits()
    dext.get("account")

    after = sandbox.limits()

    assert (after["tenants"], after["app_minute_used"]) == (before["tenants"], before["app_minute_used"])


def test_by_switch_every_error_is_inside_a_200(sandbox, dext):
    sandbox.dext_switch(dext.account, errors="errorcode")

    answers = [dext.get("cost-items/1"), dext.get("cost-items", limit="x")]

    assert [(answer.status, answer.json()["errorcode"]) for answer in answers] == [(200, 404), (200, 422)]
    assert answers[0].json()["errormessage"] == "There is no such cost item."


def test_an_error_inside_a_200_can_come_once(sandbox, dext):
    sandbox.faults("errorcode", status=401, endpoint="dext.items")

    assert dext.get("cost-items").json()["errorcode"] == 401
    assert "data" in dext.get("cost-items").json()


def test_a_token_dies_in_the_middle_of_paging(sandbox, dext):
    sandbox.faults("token_dies", endpoint="dext.items", tenant=dext.account, skip=1)
    first = dext.get("cost-items", limit=10).json()
    cursor = first["page"]["next_cursor"]

    dead, still_dead = dext.get("cost-items", cursor=cursor), dext.get("account")
    dext.token = sandbox.dext_refresh(_granted(dext)).json()["access_token"]
    rest = dext.rows("cost-items", cursor=cursor)

    assert (dead.status, still_dead.status) == (401, 401)
    assert len(first["data"] + rest) == len(dext.rows("cost-items"))


def test_a_login_page_comes_with_200(sandbox, dext):
    sandbox.faults("login_page", endpoint="dext.items")

    answer = dext.get("cost-items")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html")
    assert b"Log in to Dext" in answer.body


def test_a_status_comes_in_dexts_own_shape(sandbox, dext):
    sandbox.faults("status", status=502, endpoint="dext.items", headers={"Retry-After": "7"})

    answer = dext.get("cost-items")

    assert (_code(answer), answer.headers["Retry-After"]) == ((502, "unavailable"), "7")


def test_a_fault_that_names_nobody_spares_dext_and_one_that_names_an_account_spares_the_others(
    sandbox, dext, other
):
    sandbox.faults("status", status=500)
    spared = dext.get("cost-items").status
    sandbox.clear_faults()
    sandbox.faults("status", status=500, tenant=dext.account)

    assert (spared, other.get("cost-items").status, dext.get("cost-items").status) == (200, 200, 500)


def test_the_log_names_the_account_and_what_was_asked(sandbox, dext):
    after = sandbox.last_call()
    (item,) = _published(dext)
    dext.get(f"cost-items/{item['id']}")
    dext.get(f"cost-items/{item['id']}/file")
    dext.get("lists/tax_rates")
    dext.call("GET", "account", {"Authorization": "Bearer nobody"})

    calls = sandbox.calls(after)

    assert [(call["tenant"], call["endpoint"]) for call in calls] == [
        *((dext.account, f"dext.{name}") for name in ("items", "item", "file", "tax_rates")),
        (None, "dext.account"),
    ]
    assert calls[0]["rows"] == 1


def test_calm_takes_every_switch_back(sandbox, dext):
    usual = sandbox.control("GET", "dext/switches")
    sandbox.dext_switch(amounts="nulls", reject=["a"], features={"list_push": False})
    switched = sandbox.control("GET", "dext/switches")

    sandbox.calm()

    assert all(each["amounts"] == "nulls" for each in switched.values())
    assert sandbox.control("GET", "dext/switches") == usual
    with pytest.raises(SandboxError, match="There is no feature flying"):
        sandbox.dext_switch(features={"flying": True})


def test_a_restart_goes_on_as_the_same_dext(tmp_path):
    with Sandbox.start(organisations=1, state=tmp_path / "state") as first:
        dext = DextClient(first, 0)
        first.dext_switch(dext.account, amounts="numbers", job_seconds=1000)
        (item,) = _published(dext)
        dext.write("POST", f"cost-items/{item['id']}/outcome", _report(item))
        first.edit(dext.account, "dext.items", "republish", ids=[item["id"]])
        job = _push(dext, [_entry()])
        dump, told, grants = dext.dump("dext.items"), _reported(dext), first.dext_grants()

    with Sandbox.start(organisations=1, state=tmp_path / "state") as second:
        dext.sandbox = second
        running = _job(dext, job)["status"]
        second.advance(1001)

        assert (dext.dump("dext.items"), _reported(dext), second.dext_grants()) == (dump, told, grants)
        assert (running, _job(dext, job)["status"]) == ("queued", "succeeded")
