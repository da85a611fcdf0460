"""Dext's tax list beside Xero's: compared whenever one was read, and for the lines of one bill."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from config import points
from ledgertide.cli.checking import TURN_ON
from store import organisations, tax_checks
from sync.providers import LIST_PUSH
from sync.run import run_slice
from tests.integration.engine import KEYS, Engine
from tests.integration.joined import carry_through, joined, pushing, slug
from tests.services.installation import environment_for
from tests.services.operator import Operator, operator

__all__ = ["joined", "operator", "pushing", "slug"]

DEXT, XERO, ITEMS = "dext.tax_rates", "xero.tax_rates", "dext.items"


def check(engine: Engine, slug: str) -> tax_checks.TaxCheck:
    with engine.services.database.reading() as tx:
        return tax_checks.last(tx.scope(organisations.find(tx, slug).id))


def verdicts(engine: Engine, slug: str) -> dict[str, str]:
    return {row["tax_type"]: row["verdict"] for row in check(engine, slug).rows}


def types(engine: Engine, slug: str) -> list[str]:
    """Tax types that both sides have and expenses may bear; everything was pushed, where it had to be."""
    if not _agree(engine, slug):
        carry_through(engine, slug, engine.press(slug, LIST_PUSH, full=True))
        engine.settle()
    assert _agree(engine, slug)
    return [name for name, verdict in verdicts(engine, slug).items() if verdict == "match"]


def _agree(engine: Engine, slug: str) -> bool:
    return set(verdicts(engine, slug).values()) <= {"match", "not_for_expenses"}


def entry(engine: Engine, slug: str, tax_type: str) -> dict[str, Any]:
    """What Dext itself has of a rate, apart from its stamp."""
    rows = engine.sandbox.dump(engine.accounts[slug], DEXT)
    (row,) = [row for row in rows if row["external_id"] == f"xero:tax:{tax_type}"]
    return {name: value for name, value in row.items() if name != "updated_at"}


def rate(engine: Engine, slug: str, tax_type: str) -> dict[str, Any]:
    """What is changed of Xero's, and its name: an edit changes that by itself."""
    rows = engine.sandbox.dump(engine.tenants[slug], XERO)
    (row,) = [row for row in rows if row["TaxType"] == tax_type]
    return {name: row[name] for name in ("Name", "Status", "CanApplyToExpenses")}


def in_dext(engine: Engine, slug: str, tax_type: str, **fields: Any) -> None:
    """Somebody changes an entry in Dext itself."""
    told = entry(engine, slug, tax_type)
    engine.sandbox.edit(engine.accounts[slug], DEXT, ids=[told["id"]], fields=told | fields)


def in_xero(engine: Engine, slug: str, tax_type: str, **fields: Any) -> None:
    engine.sandbox.edit(engine.tenants[slug], XERO, ids=[tax_type], fields=fields)


# What is done at either side → what is found of the rate. `{}` leaves a side alone.
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("match", {}, {}),
    ("missing_in_dext", {"active": False}, {}),
    ("missing_in_xero", {"external_id": "xero:tax:OF_OLD", "code": "OF_OLD"}, {}),
    ("rate_differs", {"attributes": {"rate": "99.5000", "applies_to": ["expenses"]}}, {}),
    ("name_differs", {"name": "As nobody else calls it"}, {}),
    ("inactive_in_xero", {}, {"Status": "ARCHIVED"}),
    ("not_for_expenses", {}, {"CanApplyToExpenses": False}),
]


BLOCKING = {"missing_in_xero", "inactive_in_xero", "rate_differs"}


def test_each_case_is_found_when_either_list_was_read_and_mended_by_a_push(
    pushing: Engine, slug: str
) -> None:
    tax_type = types(pushing, slug)[0]
    for verdict, theirs, ours in CASES:
        was = entry(pushing, slug, tax_type), rate(pushing, slug, tax_type)
        pushing.sandbox.edit(pushing.accounts[slug], DEXT, ids=[was[0]["id"]], fields=was[0] | theirs)
        in_xero(pushing, slug, tax_type, **was[1] | ours)
        pushing.sync(slug, DEXT if theirs else XERO)

        found = verdicts(pushing, slug)
        assert found[theirs.get("code", tax_type)] == verdict
        assert check(pushing, slug).blocking == (verdict in BLOCKING)

        pushing.sandbox.edit(pushing.accounts[slug], DEXT, ids=[was[0]["id"]], fields=was[0])
        in_xero(pushing, slug, tax_type, **was[1])
        pushing.sync(slug, XERO)
        pushing.sync(slug, DEXT)
    in_dext(pushing, slug, tax_type, active=False)
    assert tax_type in types(pushing, slug)


def line(tax: str | None, amount: str, account: str) -> dict[str, Any]:
    return {
        "id": "l1",
        "description": "Paper",
        "tax_amount": amount,
        "category_code": account,
        "tax_rate_external_id": tax and f"xero:tax:{tax}",
        "tracking": [],
    }


def bill(engine: Engine, slug: str, *lines: dict[str, Any]) -> str:
    fields = {"line_items": list(lines), "tax_rate": None, "category": None, "tax_amount": None}
    (item_id,) = engine.sandbox.edit(engine.accounts[slug], ITEMS, "add", fields=fields)
    engine.sync(slug, ITEMS)
    return item_id


def test_a_bill_is_stopped_by_its_own_lines_alone_and_the_command_says_so(
    pushing: Engine, slug: str, operator: Operator
) -> None:
    variables = environment(pushing)
    good = types(pushing, slug)[0]
    accounts = pushing.sandbox.dump(pushing.tenants[slug], "xero.accounts")
    expense = next(row for row in accounts if row["Class"] == "EXPENSE" and row["Status"] == "ACTIVE")["Code"]
    untaxed = next(
        row["TaxType"]
        for row in pushing.sandbox.dump(pushing.tenants[slug], XERO)
        if not row["EffectiveRate"] and row["Status"] == "ACTIVE" and row["CanApplyToExpenses"]
    )
    no_vat = next(row for row in accounts if row["Status"] == "ACTIVE" and row.get("Code") == expense)
    pushing.sandbox.edit(
        pushing.tenants[slug], "xero.accounts", ids=[no_vat["AccountID"]], fields={"TaxType": untaxed}
    )
    pushing.sync(slug, "xero.accounts")

    well = bill(pushing, slug, line(good, "20.00", expense), line(None, "0.00", expense))
    ill = bill(pushing, slug, line(good, "20.00", expense), line(None, "20.00", expense))
    passed = operator.types("tax-check", slug, "--bill", well, "--json", **variables)
    stopped = operator.types("tax-check", slug, "--bill", ill, "--json", **variables)

    assert (passed.status, stopped.status) == (0, 1), passed.err + stopped.err
    assert [row["found"] for row in json.loads(passed.out)["lines"]] == [["match"], ["no_rate"]]
    assert [row["found"] for row in json.loads(stopped.out)["lines"]] == [["match"], ["tax_without_rate"]]
    unknown = operator.types("tax-check", slug, "--bill", "nothing", **variables)
    assert (unknown.status, "There is no item nothing" in unknown.err) == (1, True)


def test_the_command_says_what_to_do_and_who_confirmed(
    pushing: Engine, slug: str, operator: Operator
) -> None:
    variables = environment(pushing)
    tax_type = types(pushing, slug)[0]
    agreed = operator.types("tax-check", slug, **variables)
    in_dext(pushing, slug, tax_type, attributes={"rate": "99.5000"})
    pushing.sync(slug, DEXT)
    differs = operator.types("tax-check", slug, **variables)

    assert agreed.status == 0, agreed.err
    assert f"{TURN_ON} Dext does not say whether it is on" in agreed.out
    assert differs.status == 1
    assert "1 would stop a bill" in differs.out
    assert "rate differs" in differs.out
    assert "99.5 %" in differs.out

    other = next(one for one in pushing.accounts if one != slug)
    confirmed = operator.types("tax-check", slug, "--confirm-tax-list", "--json", **variables)
    told = json.loads(confirmed.out)["use_tax_list"]
    assert (told["enabled"], told["told_by_dext"], told["do"]) == (True, None, None)
    assert told["confirmed_by"].startswith("cli")
    of_the_other = json.loads(operator.types("tax-check", other, "--json", **variables).out)["use_tax_list"]
    assert (of_the_other["enabled"], of_the_other["do"]) == (None, TURN_ON)

    # What Dext says itself counts for more.
    pushing.sandbox.dext_switch(pushing.accounts[slug], features={"tax_list_enabled": False})
    carry_through(pushing, slug, pushing.press(slug, LIST_PUSH))
    refused = operator.types("tax-check", slug, "--confirm-tax-list", **variables)
    assert (refused.status, "Dext itself says that Use tax list is off" in refused.err) == (1, True)
    assert TURN_ON in operator.types("tax-check", slug, **variables).out


def test_the_command_shows_what_dext_has_and_why_it_has_not(
    pushing: Engine, slug: str, operator: Operator
) -> None:
    variables = environment(pushing)
    tax_type = types(pushing, slug)[0]
    whole = operator.types("list-push", slug, **variables)
    lists = json.loads(operator.types("list-push", slug, "--json", **variables).out)
    (one,) = json.loads(operator.types("list-push", slug, f"xero:tax:{tax_type}", "--json", **variables).out)
    nobody = operator.types("list-push", slug, "No such name at all", **variables)

    assert whole.status == 0, whole.err
    assert "Xero read" in whole.out
    assert {row["kind"]: row["entries"] - row["in_dext"] for row in lists["lists"]} == dict.fromkeys(
        [row["kind"] for row in lists["lists"]], 0
    )
    assert (one["state"], one["sentence"]) == ("in Dext", None)
    assert "once Xero flags it as a supplier" in nobody.out


def environment(engine: Engine) -> dict[str, str]:
    settings = engine.services.settings
    return environment_for(
        settings.database_url.get_secret_value(),
        settings.redis_url.get_secret_value(),
        engine.sandbox,
        secret_keys=KEYS,
    )


def test_two_lists_that_end_at_once_are_compared_as_both_have_left_them(pushing: Engine, slug: str) -> None:
    """Whoever is second waits for the first, and sees what it brought."""
    tax_type = types(pushing, slug)[0]
    was = rate(pushing, slug, tax_type)
    in_dext(pushing, slug, tax_type, attributes={"rate": "99.5000"})
    in_xero(pushing, slug, tax_type, **was | {"Status": "ARCHIVED"})
    claims = {name: pushing.claim(pushing.press(slug, name).messages[0]) for name in (DEXT, XERO)}
    at_the_end, may_go_on = threading.Event(), threading.Event()

    def hold(point: str) -> None:
        if point == "run.ended" and not at_the_end.is_set():
            at_the_end.set()
            may_go_on.wait(5)

    points.watch(hold)
    try:
        with ThreadPoolExecutor() as workers:
            first = workers.submit(run_slice, pushing.services, claims[DEXT])
            assert at_the_end.wait(20)
            second = workers.submit(run_slice, pushing.services, claims[XERO])
            wait([second], 1)  # it has to wait for the first one's end
            may_go_on.set()
            assert {first.result(20).state, second.result(20).state} == {"done"}
    finally:
        points.watch(None)

    row = next(row for row in check(pushing, slug).rows if row["tax_type"] == tax_type)
    in_xero(pushing, slug, tax_type, **was)
    pushing.sync(slug, XERO)
    assert row["found"] == ["inactive_in_xero", "rate_differs"]
