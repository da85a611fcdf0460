"""Dext's webhooks from the sandbox, over HTTP, to the stored item; and the addresses they come to."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from sandbox.testing import Sandbox
from store import hooks
from store.models import feeds, notices
from store.notices import APART
from store.organisations import find
from tests.integration.engine import ROOMY, Engine, engine
from tests.integration.listening import AGAIN, answered, answers, listening
from tests.integration.workers import wait_until

ITEMS, PUSH = "dext.items", "dext.list_push"
SECRET, OLD_SECRET = "Dext's secret", "Dext's secret of before"


class House:
    """Two organisations beside their Dext accounts, up to date, and a door."""

    def __init__(self, made: Engine, url: str) -> None:
        self.engine, self.sandbox, self.url = made, made.sandbox, url
        self.one, self.two = made.connect_dext(resources=[ITEMS, PUSH])
        with made.services.database.transaction() as tx:
            later = {"due_at": tx.now + timedelta(minutes=50), "full_due_at": tx.now + timedelta(days=1)}
            tx.execute(update(feeds).values(newest_at=tx.now, last_start_at=tx.now - APART, **later))

    def address(self, slug: str, *, renew: bool = False) -> str:
        with self.engine.services.database.transaction() as tx:
            token = hooks.token_of(tx, find(tx, slug), "dext", actor="test", renew=renew)
        return f"{self.url}/hooks/dext/{token}"

    def subscribe(self, slug: str, secret: str = SECRET, **habits: Any) -> dict[str, Any]:
        return self.ask(self.address(slug), secret, account=self.engine.accounts[slug], **habits)

    def ask(self, url: str, secret: str, **how: Any) -> dict[str, Any]:
        return answered(lambda: self.sandbox.webhooks(url, secret, **AGAIN | how))

    def edit(self, slug: str, action: str, **how: Any) -> list[str]:
        ids = self.sandbox.edit(self.engine.accounts[slug], ITEMS, action, **how)
        wait_until(lambda: not self.sandbox.posted()["under_way"], "every delivery was taken")
        return ids

    def notices(self, slug: str) -> list[Any]:
        with self.engine.services.database.reading() as tx:
            return list(tx.execute(tx.scope(find(tx, slug).id).select(notices)))

    def causes(self, slug: str, resource: str = ITEMS) -> list[str]:
        return [run.cause for run in self.engine.runs(slug, resource)]


@pytest.fixture
def house(shared_sandbox: Sandbox, database_url: str, redis_url: str) -> Iterator[House]:
    shared_sandbox.calm()
    secrets = f"{SECRET},{OLD_SECRET}"
    with (
        engine(shared_sandbox, database_url, redis_url, limits=ROOMY, dext_webhook_secrets=secrets) as made,
        listening(made.services) as url,
    ):
        yield House(made, url)
        shared_sandbox.calm()


def test_what_is_published_in_dext_is_here_at_the_next_tick_and_once(house: House) -> None:
    assert house.subscribe(house.one)["ready"]
    house.subscribe(house.one, double=1, forge=1)

    edited = house.edit(house.one, "edit", count=2)
    house.engine.settle()

    posted = house.sandbox.posted()["posted"]
    # A forged one does not come again; 0: no answer in time.
    assert {each["status"] for each in posted if each["kind"] == "forged"} - {0} == {401}
    assert answers(posted, "true", "double") == {202}
    here, there = house.engine.parsed(house.one, ITEMS), house.engine.at_provider(house.one, ITEMS)
    assert {each: here[each] for each in edited} == {each: there[each] for each in edited}
    assert house.causes(house.one) == ["webhook"]
    assert house.causes(house.two) == []
    assert sorted(notice.record_id for notice in house.notices(house.one)) == sorted(edited)
    assert house.notices(house.two) == []


def test_an_address_is_one_organisations_and_ends_when_it_is_renewed(house: House) -> None:
    old, others = house.address(house.one), house.address(house.two)
    assert old == house.address(house.one) != others

    new = house.address(house.one, renew=True)

    account = house.engine.accounts[house.one]
    asked = {url: house.ask(url, OLD_SECRET, account=account)["asked"] for url in (old, new)}
    assert [each["status"] for each in asked[old]] == [404, 401, 404, 401]
    assert [each["status"] for each in asked[new]] == [202, 401, 202, 401]


def test_what_was_recorded_is_refused_when_it_is_sent_again_later(house: House) -> None:
    house.subscribe(house.one)
    house.sandbox.advance(301)  # Dext's clock, and so its stamp

    found = house.subscribe(house.one)["asked"]

    assert [each["status"] for each in found] == [401] * 4
    assert house.notices(house.one) == []
