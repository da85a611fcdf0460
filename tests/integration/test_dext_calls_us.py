"""Where Dext calls us: consent by an operator, one organisation a token, lists read, documents handed in."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.dext.wire import list_to_wire
from sandbox.testing import Answer, Sandbox
from store import cadences, erasure, grants, organisations, switches
from store.database import Database
from store.models import partner_tokens
from store.organisations import UnknownResourceError
from sync.lists.mapping import ACCOUNTS, CONTACTS, SOURCES, TAX_RATES, TRACKING, codes_of, entries
from sync.providers import SHAPES
from tests.integration.engine import EVERY, ROOMY, Engine, engine
from tests.integration.listening import listening
from tests.integration.partner_client import (
    BACK,
    CLIENT_ID,
    SETTINGS,
    PartnerClient,
    basic,
    ticket_in,
    told,
)

ITEMS = "dext.items"
LISTS = [ACCOUNTS, CONTACTS, TAX_RATES, TRACKING]
ITEM: dict[str, Any] = {
    "id": "5304133527",
    "version": 1,
    "type": "invoice",
    "status": "published",
    "updated_at": "2026-11-20T10:41:07Z",
    "publication": {"id": "pub_1", "attempt": 1},
    "supplier": {"name": "Northern Paper"},
    "total_amount": "234.00",
}


class House:
    """Two organisations that are read from Xero, and the door that Dext comes to."""

    def __init__(self, made: Engine, url: str) -> None:
        self.engine, self.url = made, url
        self.acme, self.other = made.connect(resources=LISTS)

    def dext(self, slug: str | None = None) -> PartnerClient:
        client = PartnerClient(self.url)
        return client.connect(slug) if slug else client

    def link(self, slug: str) -> organisations.Link | None:
        with self.engine.services.database.reading() as tx:
            found = organisations.links(tx, organisations.find(tx, slug).id)
        return next((link for link in found if link.provider == "dext"), None)

    def items(self, slug: str) -> dict[str, Any]:
        return {key: json.loads(text) for key, text in self.engine.stored(slug, ITEMS).items()}


@contextmanager
def house_of(
    sandbox: Sandbox, database_url: str, redis_url: str, folder: Path, **more: Any
) -> Iterator[House]:
    sandbox.calm()
    settings = {**SETTINGS, "dext_base_url": None, "files_folder": folder}
    with (
        engine(sandbox, database_url, redis_url, limits=ROOMY, **settings) as made,
        listening(made.services) as url,
    ):
        yield House(made, url)


@pytest.fixture
def house(shared_sandbox: Sandbox, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[House]:
    with house_of(shared_sandbox, database_url, redis_url, tmp_path) as made:
        yield made


def error(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


def test_a_consent_is_an_operators_for_one_organisation_and_can_be_revoked(
    house: House,
) -> None:
    dext = house.dext()
    assert dext.call("GET", dext.asks()).status == 401
    assert dext.call("GET", dext.asks(), **basic("operator", "nonsense")).status == 401
    shown = dext.page()
    assert shown.status == 200
    assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]
    refused = told(dext.answers(ticket=ticket_in(shown.body.decode()), answer="refuse"))
    assert (refused["error"], refused["state"]) == ("access_denied", "s1")

    dext.connect(house.acme)

    link = house.link(house.acme)
    assert link is not None
    assert (link.state, link.calls_us, house.link(house.other)) == ("connected", True, None)
    about = dext.get("organisation").json()
    assert (about["id"], about["connection"]["status"]) == (link.organisation_id, "connected")
    refreshed = dext.refresh().json()
    assert dext.refresh().status == 200  # its answer was lost, and it is asked for again
    dext.tokens = refreshed
    assert dext.get("organisation").status == 200
    with house.engine.services.database.reading() as tx:
        kept = str(tx.execute(select(partner_tokens)).all())
    assert not [token for token in refreshed.values() if str(token) in kept and len(str(token)) > 20]

    assert dext.form("/oauth/revoke", token=dext.tokens["refresh_token"]).status == 200

    assert error(dext.get("organisation")) == (401, "unauthorised")
    assert dext.refresh().json()["error"] == "invalid_grant"
    ended = house.link(house.acme)
    assert ended is not None
    assert ended.state == "expired"
    anew, others = house.dext(house.acme), house.dext(house.other)
    assert anew.get("organisation").json()["id"] == link.organisation_id

    made = house.engine
    made.pass_time(timedelta(days=2))
    with made.services.database.transaction() as tx:
        assert grants.drop_unused(tx) == 1  # the consent that was revoked
        erasure.erase(tx, organisations.find(tx, house.acme), SHAPES.values(), actor="test")
    assert anew.refresh().json()["error"] == "invalid_grant"
    assert others.refresh().status == 200


def test_nobody_else_gets_a_token_and_who_tries_with_a_used_one_ends_the_consent(house: House) -> None:
    dext = house.dext()
    for odd in ({"client_id": "somebody"}, {"redirect_uri": "https://dext.example.evil/"}):
        assert dext.page(**odd).status == 400
    for odd in ({"code_challenge_method": "plain"}, {"response_type": "token"}):
        assert told(dext.page(**odd))["error"]
    page = dext.page().body.decode()
    assert dext.answers(ticket="forged", answer="allow").status == 400
    assert dext.answers(ticket=ticket_in(page), organisation="nobody's", answer="allow").status == 400
    code = dext.code_for(house.acme)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": CLIENT_ID}
    unproven = dext.call("POST", "/oauth/token", "&".join(f"{k}={v}" for k, v in form.items()).encode())
    assert unproven.json()["error"] == "invalid_client"
    assert dext.exchange(code, code_verifier="x" * 64).json()["error"] == "invalid_grant"
    assert dext.exchange(code).json()["error"] == "invalid_grant"  # it was used up

    code = dext.code_for(house.acme)
    dext.tokens = dext.exchange(code).json()
    assert dext.get("organisation").status == 200
    assert dext.exchange(code).json()["error"] == "invalid_grant"
    assert dext.get("organisation").status == 401

    dext.connect(house.acme)
    dext.refresh()
    house.engine.pass_time(timedelta(minutes=2))
    assert dext.refresh().json()["error"] == "invalid_grant"
    assert dext.get("organisation").status == 401

    dext.connect(house.acme)
    house.engine.pass_time(timedelta(minutes=61))
    assert dext.get("organisation").status == 401
    dext.tokens = dext.refresh().json()
    assert dext.get("organisation").status == 200


def test_a_document_is_taken_once_and_a_broken_one_says_why(house: House) -> None:
    dext, other = house.dext(house.acme), house.dext(house.other)
    paper = b"%PDF-1.4 " + b"x" * 2_000_000
    item = {
        **ITEM,
        "file": {"name": "a.pdf", "sha256": hashlib.sha256(paper).hexdigest()},
    }

    first, again = dext.hand_in(item, paper), dext.hand_in(item, paper)

    url = "https://ledgertide.example/partner/dext/v1/documents/5304133527"
    expected = {"id": "5304133527", "status": "received", "url": url}
    assert (first.status, first.json()) == (201, expected)
    assert (again.status, again.json()) == (200, expected)
    anew = {**item, "version": 2, "updated_at": "2026-11-21T10:00:00Z", "publication": {"id": "pub_2"}}
    assert dext.hand_in(json.dumps(anew)).status == 201
    about = dext.get("documents/5304133527").json()
    assert (about["publications"], about["supported"]) == (["pub_1", "pub_2"], True)
    assert about["file"]["sha256"] == item["file"]["sha256"]
    assert error(dext.hand_in({**anew, "id": "another"})) == (409, "already_published")
    note = {**ITEM, "id": "cn", "type": "credit_note", "publication": {"id": "pub_3"}}
    assert dext.hand_in(note).status == 201
    assert dext.get("documents/cn").json()["supported"] is False

    assert house.items(house.acme).keys() == {"5304133527", "cn"}
    assert house.items(house.other) == {}
    assert error(other.get("documents/5304133527")) == (404, "unknown_document")
    assert other.hand_in(item, paper).status == 201  # what others have is not ours
    assert house.items(house.other).keys() == {"5304133527"}
    for broken, code in (
        ("no JSON", "item_invalid"),
        ({**ITEM, "id": ""}, "item_invalid"),
        ({**ITEM, "updated_at": "yesterday"}, "item_invalid"),
        ({**ITEM, "id": "u", "file": {"url": "http://127.0.0.1/"}}, "file_url_unsupported"),
    ):
        refused = dext.hand_in(broken)
        assert error(refused) == (422, code)
        assert refused.json()["error"]["message"].endswith(".")
    assert refused.json()["error"]["fields"] == [{"path": "file.url", "code": code}]
    assert error(dext.hand_in({**item, "id": "f"}, b"another paper")) == (422, "file_differs")
    assert error(dext.hand_in(ITEM, file_url="http://127.0.0.1/")) == (422, "file_url_unsupported")
    assert dext.hand_in({**ITEM, "note": "x" * 2**20}).status == 413
    assert dext.call("POST", "/v1/documents", b"x", Content_Type="text/plain", **dext.bearer).status == 422
    assert house.items(house.acme).keys() == {"5304133527", "cn"}


def test_while_xero_or_the_database_is_away_dext_is_told_when_to_come_back(
    house: House, shared_sandbox: Sandbox, redis_url: str, tmp_path: Path
) -> None:
    dext = house.dext(house.acme)
    assert error(dext.get("lists/tax_rates")) == (503, "not_read_yet")
    with house.engine.services.database.transaction() as tx:
        (xero,) = [one for one in organisations.every_link(tx) if _is_xero(one, tx, house.acme)]
        grants.end(tx, xero.grant_id)

    for answer in (dext.hand_in(ITEM), dext.get("lists/tax_rates")):
        assert error(answer) == (503, "xero_disconnected")
        assert answer.headers["Retry-After"] == "300"
    assert dext.get("organisation").json()["xero"] == {"status": "disconnected"}
    away = "postgresql://somebody:hunter2@127.0.0.1:1/nowhere"
    gone = house.engine.services
    services = replace(gone, database=Database(away))
    with listening(services) as url:
        lost = PartnerClient(url)
        lost.tokens = dext.tokens
        answer = lost.hand_in(ITEM)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        assert "hunter2" not in answer.body.decode()
        assert lost.refresh().status == lost.page().status == 503
    services.database.close()


def _is_xero(link: organisations.Link, tx: Any, slug: str) -> bool:
    return link.provider == "xero" and link.organisation_id == organisations.find(tx, slug).id


def test_dext_reads_just_what_a_push_would_send_and_afterwards_what_changed(house: House) -> None:
    made = house.engine
    made.settle()
    dext, other = house.dext(house.acme), house.dext(house.other)
    sandbox, tenant = made.sandbox, made.tenants[house.acme]

    def pushed() -> dict[str, Any]:
        there = {resource: sandbox.dump(tenant, resource) for resource in LISTS}
        codes = codes_of(there[ACCOUNTS])
        with made.services.database.reading() as tx:
            now = tx.now
        return {
            source.kind: sorted(
                json.loads(list_to_wire(entries(source, there[source.resources[0]], codes), "replace", now))[
                    "entries"
                ],
                key=str,
            )
            for source in SOURCES
        }

    def read(**asked: Any) -> dict[str, Any]:
        return {source.kind: dext.entries(source.kind, **asked) for source in SOURCES}

    def plain(found: dict[str, Any]) -> dict[str, Any]:
        return {
            kind: sorted(({k: v for k, v in row.items() if k != "updated_at"} for row in rows), key=str)
            for kind, rows in found.items()
        }

    whole = read(limit=7)
    assert plain(whole) == pushed()
    assert all(whole.values())
    newest = max(row["updated_at"] for rows in whole.values() for row in rows)
    assert other.entries("suppliers") != whole["suppliers"]
    later = _after(newest)
    assert not any(read(updated_since=later).values())

    (archived,) = sandbox.edit(tenant, CONTACTS, "archive", count=1, which="first")
    edited = sandbox.edit(tenant, ACCOUNTS, "edit", count=1)
    made.sync(house.acme, CONTACTS)
    made.sync(house.acme, ACCOUNTS)

    changed = {row["external_id"]: row for rows in read(updated_since=later).values() for row in rows}
    assert 1 <= len(changed) <= 4
    assert all(any(one in key for one in (archived, *edited)) for key in changed)
    assert not [row for key, row in changed.items() if archived in key and row["active"]]
    active = {kind: [row for row in rows if row["active"]] for kind, rows in plain(read()).items()}
    assert active == pushed()
    assert error(dext.get("lists/projects")) == (404, "unknown_list")
    assert error(dext.get("lists/suppliers", cursor="nonsense")) == (422, "invalid")


def _after(moment: str) -> str:
    """The next microsecond after a written time."""
    head, _, fraction = moment.removesuffix("Z").partition(".")
    return f"{head}.{int((fraction or '0').ljust(6, '0')) + 1:06d}Z"


def test_what_dext_hands_in_is_never_polled_for_and_no_feed_is_broken(house: House) -> None:
    house.dext(house.acme)
    made = house.engine
    with made.services.database.transaction() as tx:
        before = cadences.bring_up(
            tx, {name: each for name, each in EVERY.items() if name.startswith("dext")}
        )
        found = organisations.find(tx, house.acme)
        for on in (True, False):
            with pytest.raises(UnknownResourceError, match="calls us"):
                switches.switch(tx, found, ITEMS, on=on, actor="test")
    assert before == []

    made.pass_time(timedelta(days=2), comparisons=True)
    made.settle()

    lines = {line.resource: line for line in made.lines(house.acme) if line.resource.startswith("dext")}
    assert {name: line.state for name, line in lines.items()} == {ITEMS: "off", "dext.list_push": "off"}
    assert not any(line.is_late or line.error for line in lines.values())
    with pytest.raises(UnknownResourceError, match="nothing to read"):
        made.press(house.acme, ITEMS)
