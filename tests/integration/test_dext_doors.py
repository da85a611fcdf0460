"""One contract for both doors: whether we ask Dext or Dext calls us, the same items are in the store."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from connectors.exact import read_object
from sandbox.testing import Sandbox
from store import events, items, organisations
from sync.files import ITEMS, fetch
from sync.providers import SHAPES
from tests.integration.engine import ROOMY, Engine, engine
from tests.integration.listening import listening
from tests.integration.partner_client import SETTINGS, PartnerClient


class Door(Protocol):
    """How items come in for the organisation `slug`, from the Dext account that is its own."""

    engine: Engine
    slug: str

    def bring(self) -> None:
        """Let in what is new there, with its files."""


class WeAsk:
    """A run reads pages, and files are fetched."""

    def __init__(self, made: Engine, _running: ExitStack) -> None:
        self.engine = made
        (self.slug,) = made.connect_dext(resources=[ITEMS], organisations_wanted=1)

    def bring(self) -> None:
        self.engine.sync(self.slug, ITEMS)
        with self.engine.services.database.reading() as tx:
            (link,) = organisations.links(tx, organisations.find(tx, self.slug).id)
        fetch(self.engine.services, link.id)


class DextCalls:
    """Dext hands in each item when it changes, with its file when that is new."""

    def __init__(self, made: Engine, running: ExitStack) -> None:
        self.engine = made
        (self.slug,) = made.connect(resources=["xero.tax_rates"], organisations_wanted=1)
        (account, *_) = made.sandbox.dext_grants()["accounts"]
        made.accounts[self.slug] = account["account_id"]
        self._access = made.sandbox.dext_refresh(account["refresh_token"]).json()["access_token"]
        self._dext = PartnerClient(running.enter_context(listening(made.services))).connect(self.slug)
        self._told: dict[str, str] = {}

    def bring(self) -> None:
        dump = self.engine.sandbox.dump_bytes(self.engine.accounts[self.slug], ITEMS).decode()
        _, elements = read_object(dump, "records")
        for element in elements or ():
            known = self._told.get(element.value["id"])
            if known != element.raw:
                answer = self._dext.hand_in(element.raw, None if known else self._paper(element.value["id"]))
                assert answer.status in (200, 201), answer.body
                self._told[element.value["id"]] = element.raw

    def _paper(self, item_id: str) -> bytes | None:
        bearer = {"Authorization": f"Bearer {self._access}", "X-Request-Id": item_id}
        answer = self.engine.sandbox.call("GET", f"/dext/v1/cost-items/{item_id}/file", bearer)
        assert answer.status in (200, 404), answer.body
        return answer.body if answer.status == 200 else None


DOORS: dict[str, tuple[Callable[[Engine, ExitStack], Door], dict[str, Any]]] = {
    "we ask": (WeAsk, {}),
    "Dext calls": (DextCalls, {**SETTINGS, "dext_base_url": None}),
}


@pytest.fixture(params=DOORS)
def door(
    request: pytest.FixtureRequest, sandbox: Sandbox, database_url: str, redis_url: str, tmp_path: Path
) -> Iterator[Door]:
    make, settings = DOORS[request.param]
    sandbox.dext_switch(amounts="mixed")  # strings, numbers and null
    with ExitStack() as running:
        made = running.enter_context(
            engine(sandbox, database_url, redis_url, limits=ROOMY, files_folder=tmp_path, **settings)
        )
        yield make(made, running)


def seen(door: Door) -> dict[str, items.Item]:
    """The organisation's items as a person looks at them."""
    services = door.engine.services
    with services.database.reading() as tx:
        organisation = organisations.find(tx, door.slug)
        links = organisations.links(tx, organisation.id)
        dext = next(link for link in links if link.provider == "dext")
        found = items.read(tx.scope(organisation.id), SHAPES[ITEMS], dext.id, {"credit_note", "refund"})
    return {item.id: item for item in found}


def told(door: Door) -> list[tuple[str, str]]:
    """Each event about an item."""
    with door.engine.services.database.reading() as tx:
        every = list(events.read(tx.scope(organisations.find(tx, door.slug).id)))
    return sorted((key, event.kind) for event in every if event.resource == ITEMS for key in event.ids)


def test_whatever_door_they_come_in_by_the_same_items_and_files_are_here(door: Door, tmp_path: Path) -> None:
    door.bring()

    there, here = door.engine.at_provider(door.slug, ITEMS), seen(door)
    assert door.engine.parsed(door.slug, ITEMS) == there
    assert {item.type for item in here.values() if not item.supported} == {"credit_note"}
    assert any(item.total is None for item in here.values())
    with_file = [item for item in here.values() if item.file and item.file.stored_at]
    assert len(with_file) >= 10
    for item in with_file:
        papers = [path for path in tmp_path.rglob(str(item.file and item.file.sha256)) if path.is_file()]
        assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in papers] == [
            there[item.id]["file"]["sha256"]
        ]

    account, sandbox = door.engine.accounts[door.slug], door.engine.sandbox
    sandbox.advance(60)
    published = [item.id for item in here.values() if item.status == "published"]
    anew, withdrawn, deleted, edited = published[:4]
    for action, key in (("republish", anew), ("unpublish", withdrawn), ("delete", deleted), ("edit", edited)):
        sandbox.edit(account, ITEMS, action, ids=[key])
    before = told(door)

    door.bring()
    door.bring()

    now = seen(door)
    assert door.engine.parsed(door.slug, ITEMS) == door.engine.at_provider(door.slug, ITEMS)
    assert [one.id for one in now[anew].publications] == [here[anew].publication_id, now[anew].publication_id]
    assert here[anew].publication_id != now[anew].publication_id
    assert (now[withdrawn].status, now[deleted].status) == ("ready", "deleted")
    fresh = [one for one in told(door) if one not in before]
    changed = [(key, "changed") for key in (anew, withdrawn, edited)]
    assert fresh == sorted([*changed, (deleted, "archived")])
