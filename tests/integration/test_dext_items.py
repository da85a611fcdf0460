"""Items of Dext and their files: fetched once and kept for good, whatever breaks, and nobody else's."""

import errno
import hashlib
import io
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlalchemy import delete, func, select

from sandbox.testing import Sandbox
from store import erasure, files, items, organisations
from store.models import files as file_rows
from store.models import publications
from store.models import usage as usage_rows
from store.tables import table_of
from sync.arrivals import ItemRefusedError, take_in
from sync.files import ITEMS, Fetched, fetch
from sync.providers import SHAPES
from sync.shelf import LEFT_BEHIND, Shelf
from tests.integration.engine import ROOMY, Engine, engine
from tests.integration.workers import wait_until

SHAPE = SHAPES[ITEMS]


@pytest.fixture
def dext(shared_sandbox: Sandbox, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Engine]:
    """Two organisations whose items are read, and none of whose files is here."""
    shared_sandbox.calm()
    with engine(
        shared_sandbox, database_url, redis_url, limits=ROOMY, files_folder=tmp_path / "files"
    ) as made:
        made.connect_dext(resources=[ITEMS])
        made.settle()
        keep_few(made)
        yield made


def keep_few(dext: Engine) -> None:
    """So that no test fetches more papers than it looks at: as if the others had never been."""
    table = table_of(SHAPE)
    with dext.services.database.transaction() as tx:
        for slug in dext.accounts:
            mine = table.c.connection_id == link(dext, slug).id
            kinds = select(table.c.id).where(mine, table.c.type == "credit_note").limit(1)
            some = select(table.c.id).where(mine, table.c.status == "published").limit(6)
            kept = [*tx.execute(kinds).scalars(), *tx.execute(some).scalars()]
            tx.execute(delete(table).where(mine, table.c.id.not_in(kept)))


@pytest.fixture
def acme(dext: Engine) -> str:
    return next(iter(dext.accounts))


@pytest.fixture
def other(dext: Engine, acme: str) -> str:
    return next(slug for slug in dext.accounts if slug != acme)


def link(dext: Engine, slug: str) -> organisations.Link:
    with dext.services.database.reading() as tx:
        (found,) = organisations.links(tx, organisations.find(tx, slug).id)
    return found


def seen(dext: Engine, slug: str) -> dict[str, items.Item]:
    """The organisation's items as a person looks at them."""
    mine = link(dext, slug)
    with dext.services.database.reading() as tx:
        scope = tx.scope(mine.organisation_id)
        found = items.read(scope, SHAPE, mine.id, dext.services.settings.dext_unsupported_types)
    return {item.id: item for item in found}


def fetched(dext: Engine, slug: str) -> Fetched:
    return fetch(dext.services, link(dext, slug).id)


def missing(dext: Engine, slug: str) -> list[str]:
    """The items whose paper is not on the shelf just as Dext has it."""
    owner, kept = link(dext, slug).organisation_id, seen(dext, slug)
    there, wrong = dext.at_provider(slug, ITEMS), []
    for key in kept:
        item = there[key]
        file, said = kept[key].file, item["file"]["sha256"]
        place = dext.services.shelf.path(owner, said)
        is_here = file is not None and file.stored_at is not None and place.exists()
        if not is_here or hashlib.sha256(place.read_bytes()).hexdigest() != said:
            wrong.append(key)
    return wrong


def wanting(dext: Engine) -> list[str]:
    with dext.services.database.reading() as tx:
        return files.wanting(tx, SHAPE)


def few(dext: Engine, slug: str, number: int = 3) -> list[files.WantedFile]:
    with dext.services.database.reading() as tx:
        return files.wanted(tx, SHAPE, link(dext, slug).id, number)


def on_disk(dext: Engine) -> list[Path]:
    return [path for path in dext.services.settings.files_folder.rglob("*") if path.is_file()]


def test_each_file_is_fetched_once_and_kept_for_its_own_organisation_alone(
    dext: Engine, acme: str, other: str
) -> None:
    before = dext.sandbox.last_call()

    told = fetched(dext, acme)

    assert (told.failed, told.ended_by) == (0, None)
    calls = [call["path"] for call in dext.sandbox.calls(before) if call["endpoint"] == "dext.file"]
    assert told.stored == len(calls) == len(set(calls)) >= 6
    assert missing(dext, acme) == []
    assert {item.file for item in seen(dext, other).values()} == {None}
    owner = link(dext, acme).organisation_id
    assert {path.relative_to(dext.services.settings.files_folder).parts[0] for path in on_disk(dext)} == {
        owner
    }
    assert fetched(dext, acme) == Fetched()
    assert wanting(dext) == [link(dext, other).id]
    dext.pass_time(timedelta(minutes=61))
    assert wanting(dext) == []  # its items are due, and go first
    dext.settle()
    assert link(dext, other).id in wanting(dext)


def test_what_goes_wrong_with_one_file_says_why_and_holds_up_no_other(dext: Engine, acme: str) -> None:
    (first, second, third) = few(dext, acme)
    for kind, count in (("too_large", 1), ("wrong_hash", 3)):
        dext.sandbox.faults(kind, endpoint="dext.file", tenant=dext.accounts[acme], count=count)
    dext.sandbox.faults("status", status=404, endpoint="dext.file", tenant=dext.accounts[acme], count=1)

    assert fetched(dext, acme).failed == 3

    kept = seen(dext, acme)
    told = [kept[one.record_id].file for one in (first, second, third)]
    assert [bool(one and one.again_at) for one in told] == [False, True, False]
    reasons = ("larger than 25 MiB", "not the one that Dext announced", "does not know")
    assert all(why in str(one and one.error) for why, one in zip(reasons, told, strict=True))
    assert not any("arriving" in path.parts for path in on_disk(dext))
    dext.pass_time(timedelta(minutes=2))
    assert fetched(dext, acme).stored == 1
    assert sorted(missing(dext, acme)) == sorted([first.record_id, third.record_id])


def test_a_file_that_comes_while_its_organisation_is_erased_is_not_kept(
    dext: Engine, acme: str, other: str
) -> None:
    assert fetched(dext, other).stored
    owner, others = link(dext, acme).organisation_id, on_disk(dext)
    dext.sandbox.faults("held", endpoint="dext.file", tenant=dext.accounts[acme], count=1)
    with ThreadPoolExecutor() as pool:
        in_hand = pool.submit(fetch, dext.services, link(dext, acme).id)
        wait_until(lambda: not dext.sandbox.faults_left(), "the file is on its way")
        with dext.services.database.transaction() as tx:
            erasure.erase(tx, organisations.find(tx, acme), SHAPES.values(), actor="test")
        dext.services.shelf.forget(owner)
        dext.sandbox.clear_faults()

        assert (in_hand.result().stored, in_hand.result().ended_by) == (0, "erased")
    with dext.services.database.reading() as tx:
        assert tx.execute(select(file_rows).where(file_rows.c.organisation_id == owner)).all() == []
        assert tx.execute(select(usage_rows).where(usage_rows.c.organisation_id == owner)).all() == []
    assert on_disk(dext) == others


def test_files_take_no_worker_from_records_and_no_connection_is_sent_for_twice(dext: Engine) -> None:
    belt = dext.services.belt
    turn = dext.app.tasks["upkeep.files"]

    turn()
    turn()  # each has its message already
    assert belt.lengths(["sync"])["sync"] == len(wanting(dext)) == 2

    for connection in wanting(dext):
        dext.services.queueing_lock.free(("files",), connection)
    turn()  # something waits for workers now: one is enough
    assert belt.lengths(["sync"])["sync"] == 3


class FullDisk(Shelf):
    """A disk that is full once so many bytes have come."""

    room = 1000

    def arriving(self, organisation_id: str) -> Any:
        disk = self

        class Sink:
            def __init__(self, file: BinaryIO) -> None:
                self._file = file
                self.seek, self.tell, self.truncate = file.seek, file.tell, file.truncate
                self.flush, self.fileno, self.name = file.flush, file.fileno, file.name

            def write(self, piece: bytes) -> int:
                disk.room -= len(piece)
                if disk.room < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return self._file.write(piece)

        class Arriving:
            def __enter__(self) -> Sink:
                self._real = Shelf.arriving(disk, organisation_id)
                return Sink(self._real.__enter__())

            def __exit__(self, *error: Any) -> Any:
                return self._real.__exit__(*error)

        return Arriving()


def test_a_full_disk_loses_nothing_and_says_what_to_do(dext: Engine, acme: str) -> None:
    folder = dext.services.settings.files_folder
    full = Engine(replace(dext.services, shelf=FullDisk(folder)), dext.sandbox)

    told = fetch(full.services, link(dext, acme).id)
    full.app.close()

    assert (told.ended_by, told.failed) == ("disk", 1)
    errors = [item.file.error for item in seen(dext, acme).values() if item.file and item.file.error]
    no_room = f"The file could not be written to {folder} (No space left on device). "
    assert errors == [no_room + "Make room there; it is fetched again by itself."]
    assert not any("arriving" in path.parts for path in on_disk(dext))
    dext.pass_time(timedelta(minutes=2))
    fetched(dext, acme)
    assert missing(dext, acme) == []


def test_a_worker_that_died_half_way_leaves_nothing_that_counts(dext: Engine, acme: str) -> None:
    owner = link(dext, acme).organisation_id
    arriving = dext.services.settings.files_folder / owner / "arriving"
    arriving.mkdir(parents=True)
    half, fresh = arriving / "half", arriving / "fresh"
    for left in (half, fresh):
        left.write_bytes(b"%PDF")
    long_ago = time.time() - LEFT_BEHIND.total_seconds() - 1
    os.utime(half, (long_ago, long_ago))
    # It died after the file was in its place and before the database knew.
    one = few(dext, acme, 1)[0]
    assert one.sha256 is not None
    place = dext.services.shelf.path(owner, one.sha256)
    place.parent.mkdir()
    place.write_bytes(b"cut off by the power")

    fetched(dext, acme)

    assert missing(dext, acme) == []
    assert (half.exists(), fresh.exists()) == (False, True)


def test_an_item_that_is_published_anew_joins_what_it_was(dext: Engine, acme: str) -> None:
    published = next(item.id for item in seen(dext, acme).values() if item.status == "published")
    first = seen(dext, acme)[published]
    dext.sandbox.edit(dext.accounts[acme], ITEMS, "republish", ids=[published])

    dext.sync(acme, ITEMS)

    anew = seen(dext, acme)[published]
    assert [one.id for one in anew.publications] == [first.publication_id, anew.publication_id]
    assert first.publication_id != anew.publication_id
    unsupported = {item.type for item in seen(dext, acme).values() if not item.supported}
    assert unsupported == {"credit_note"}


def test_both_doors_lead_to_the_same_store(dext: Engine, acme: str, other: str) -> None:
    with dext.services.database.reading() as tx:
        mine = organisations.find(tx, acme)
    key, text = next(iter(dext.stored(acme, ITEMS).items()))
    item = json.loads(text)
    paper = b"%PDF-1.4 handed in"
    item |= {"updated_at": "2099-01-01T00:00:00Z", "version": item["version"] + 1, "status": "published"}
    item["publication"] = {"id": "pub_handed_in", "attempt": 2}
    item["file"] |= {"sha256": hashlib.sha256(paper).hexdigest(), "size": len(paper)}
    older = {**item, "updated_at": "2001-01-01T00:00:00Z", "description": "late"}

    told = take_in(
        dext.services, mine, json.dumps(item), file=io.BytesIO(paper), content_type="application/pdf"
    )
    again = take_in(dext.services, mine, json.dumps(item), file=io.BytesIO(paper))
    late = take_in(dext.services, mine, json.dumps(older))

    assert (told.item_id, told.publication_id, told.changed) == (key, "pub_handed_in", "changed")
    assert (again.changed, again.newest_event, late.changed) == (None, None, None)
    here = seen(dext, acme)[key]
    assert [one.id for one in here.publications][-1] == here.publication_id == "pub_handed_in"
    assert here.file is not None
    assert here.file.sha256 == item["file"]["sha256"]
    assert dext.services.shelf.path(mine.id, str(here.file.sha256)).read_bytes() == paper
    assert json.loads(dext.stored(acme, ITEMS)[key])["description"] != "late"
    assert key not in seen(dext, other)
    new = {**item, "id": "another", "file": None}
    with pytest.raises(ItemRefusedError, match=f"handed in before, as item {key}"):
        take_in(dext.services, mine, json.dumps(new))
    new["publication"] = {"id": "pub_of_another", "attempt": 1}
    assert take_in(dext.services, mine, json.dumps(new)).changed == "added"
    with dext.services.database.reading() as tx:
        ours = select(func.count()).select_from(publications)
        assert tx.execute(ours.where(publications.c.publication_id == "pub_handed_in")).scalar_one() == 1
    assert seen(dext, acme)["another"].possible_duplicates == ((key,) if item["supplier"]["id"] else ())


ITEM = '{"id": "1", "updated_at": "2026-01-01T00:00:00Z"%s}'


@pytest.mark.parametrize(
    ("content", "file", "why"),
    [
        ("no JSON", None, "no JSON object"),
        ('{"id": ""}', None, "id"),
        (
            '{"id": "1", "updated_at": "2026-01-01T00:00:00Z", "file": {"sha256": "00"}}',
            b"x",
            "hashes differ",
        ),
        ('{"id": "1", "updated_at": "2026-01-01T00:00:00Z"}', b"x" * (2**20 + 1), "larger than 1 MiB"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_what_cannot_be_taken_in_is_refused_with_a_sentence_and_nothing_stored(
    whole_engine: Engine, content: str, file: bytes | None, why: str, tmp_path: Path
) -> None:
    whole_engine.connect_dext(resources=[ITEMS], organisations_wanted=1)
    small = whole_engine.services.settings.model_copy(update={"dext_largest_file_mib": 1})
    services = replace(whole_engine.services, settings=small, shelf=Shelf(tmp_path))
    with services.database.reading() as tx:
        (mine,) = organisations.everyone(tx)

    with pytest.raises(ItemRefusedError, match=why):
        take_in(services, mine, content, file=io.BytesIO(file) if file else None)

    assert whole_engine.stored(mine.slug, ITEMS) == {}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
