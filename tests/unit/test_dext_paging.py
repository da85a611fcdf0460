"""Dext's lists read while they change, by keys that hold a row or only a place: nothing may be lost.

Whether a key of Dext's is one or the other is not known. That the simulation can lose rows at all is shown by
following its keys that hold a place.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config.dext import DextSettings
from config.limits import CallClass
from connectors.dext import DextConnector
from connectors.errors import BrokenAnswerError, RejectedError
from connectors.http import Access, Got, Request
from connectors.pages import FILTER_IGNORED, UNPROVEN
from connectors.transport import Answer
from limiter.limiter import Account
from tests.unit.simulated import (
    MILLISECOND,
    START,
    Row,
    SimulatedList,
    Versions,
    edits,
    filled,
    happen,
    quick,
    stamps,
)

Keys = Literal["row", "place", "page"]
ACCESS = Access(Account("dext", "acme"), SecretStr("token"), "acc_1")


class Provider:
    """Dext's side of the wire over a simulated list; stands where an ApiClient would."""

    def __init__(self, listed: SimulatedList, keys: Keys) -> None:
        self.listed, self.keys = listed, keys
        self.between: Callable[[], None] = lambda: None
        self.asked: list[dict[str, str]] = []
        self.forgets = 0
        self.loops = False

    def get(self, request: Request, _account: Any, _class: Any, _before: Any, read: Any) -> Got[Any]:
        self.between()
        params = dict(request.params)
        self.asked.append(params)
        if "cursor" in params and self.forgets:
            self.forgets -= 1
            raise RejectedError("The key is too old.")
        rows = sorted(self.listed.shown(), key=lambda row: (row.modified_at, row.key))
        if since := params.get("updated_since"):
            rows = [row for row in rows if row.modified_at >= datetime.fromisoformat(since)]
        size, start = int(params["limit"]), self._start(rows, params)
        page, rest = rows[start : start + size], rows[start + size :]
        key = self._key(page[-1], start + size) if rest else None
        content: dict[str, Any] = {"data": [_written(row) for row in page]}
        if self.keys != "page":
            content["page"] = {"next_cursor": "same" if self.loops else key, "limit": size}
        date = self.listed.now.strftime("%a, %d %b %Y %H:%M:%S GMT")
        body = json.dumps(content).encode()
        return Got(read(Answer(200, {"Date": date}, body)), 1, len(body))

    def _start(self, rows: list[Row], params: dict[str, str]) -> int:
        if self.keys == "page":
            return (int(params.get("page", 1)) - 1) * int(params["limit"])
        key = params.get("cursor", "0" if self.keys == "place" else "")
        if self.loops:
            return 0
        if self.keys == "place":
            return int(key)
        return sum(f"{row.modified_at.isoformat()} {row.key}" <= key for row in rows)

    def _key(self, last: Row, place: int) -> str:
        return str(place) if self.keys == "place" else f"{last.modified_at.isoformat()} {last.key}"


def _written(row: Row) -> dict[str, str]:
    return {"id": row.key, "updated_at": row.modified_at.isoformat().replace("+00:00", "Z")}


class Follower:
    """Reads a list as runs would, and stores as the store does: newer wins."""

    def __init__(
        self, listed: SimulatedList, keys: Keys, resource: str = "dext.items", size: int = 10
    ) -> None:
        paging = "page" if keys == "page" else "cursor"
        self.provider = Provider(listed, keys)
        self.connector = DextConnector(self.provider, DextSettings(dext_paging=paging, dext_page_size=size))  # type: ignore[arg-type]
        self.resource = resource
        self.stored: Versions = {}
        self.newest: datetime | None = None

    def run(self, between: Callable[[], None] = lambda: None) -> str | None:
        """One run to its end; the flaw that ended it."""
        self.provider.between = between
        cursor = self.connector.begin(self.resource, self.newest)
        for answers in count():
            assert answers < 5_000, "the run does not end"
            cursor = json.loads(json.dumps(cursor))  # as if it had been put away for hours
            page = self.connector.read(self.resource, cursor, ACCESS, CallClass.SCHEDULED, lambda: None)
            assert page.rejects == ()
            for record in page.records:
                assert record.modified_at is not None
                known = self.stored.get(record.id, record.modified_at)
                self.stored[record.id] = max(known, record.modified_at)
            cursor, self.newest = page.cursor, self.connector.newest(page.cursor)
            if page.last or page.flaw:
                return page.flaw
        raise AssertionError

    def lost(self, versions: Versions) -> set[str]:
        """What of these versions, or newer ones, is not in the store."""
        return {key for key, at in versions.items() if key not in self.stored or self.stored[key] < at}


def in_one_second(rows: int = 60) -> SimulatedList:
    listed = SimulatedList()
    for number in range(rows):
        listed.add(START - timedelta(days=1) + number * MILLISECOND)
    for number in range(20):
        listed.add(START - timedelta(hours=20, minutes=-number))
    return listed


def editing(follower: Follower, times: int) -> Callable[[], None]:
    def edit_the_first() -> None:
        follower.provider.listed.now += timedelta(seconds=1)
        if 0 < len(follower.provider.asked) < times:
            follower.provider.listed.edit(0)

    return edit_the_first


every_kind = pytest.mark.parametrize("keys", ["row", "place", "page"])


def test_following_keys_that_hold_a_place_loses_rows_in_this_simulation():
    listed = in_one_second()
    provider, stored, params = Provider(listed, "place"), set(), {"limit": "10"}
    provider.between = lambda: listed.edit(0)

    while params:
        answer = provider.get(
            Request("/", params), None, None, None, lambda answer: json.loads(answer.body)
        ).value
        stored |= {row["id"] for row in answer["data"]}
        key = answer["page"]["next_cursor"]
        params = {"limit": "10", "cursor": key} if key else {}

    assert set(listed.versions()) - stored


@every_kind
def test_nothing_of_a_second_with_more_records_than_a_page_is_lost_amid_edits(keys):
    follower = Follower(in_one_second(), keys)

    assert follower.run(editing(follower, 12)) is None

    assert not follower.lost(follower.provider.listed.versions())
    assert any("cursor" in params or params.get("page", "1") != "1" for params in follower.provider.asked)


@every_kind
@settings(max_examples=60, deadline=None)
@given(stamped=stamps, gaps=st.lists(st.lists(quick, max_size=3), max_size=20), size=st.integers(1, 6))
def test_a_run_amid_any_edits_and_a_quiet_one_after_it_know_everything(keys, stamped, gaps, size):
    follower = Follower(filled(stamped), keys, size=size)
    listed, left = follower.provider.listed, iter(gaps)

    follower.run(lambda: happen(listed, next(left, [])))
    listed.now += timedelta(hours=1)
    assert follower.run() is None

    assert not follower.lost(listed.versions())


@every_kind
@settings(max_examples=60, deadline=None)
@given(stamped=stamps, gaps=st.lists(st.lists(edits, max_size=2), max_size=20), size=st.integers(1, 6))
def test_a_list_read_whole_amid_edits_is_complete_or_unproven(keys, stamped, gaps, size):
    follower = Follower(filled(stamped), keys, "dext.suppliers", size)
    listed, left = follower.provider.listed, iter(gaps)
    before = set(listed.versions())

    def edit_a_second_later() -> None:
        listed.now += timedelta(seconds=1)
        happen(listed, next(left, []))

    flaw = follower.run(edit_a_second_later)

    assert flaw in {None, UNPROVEN}
    assert flaw or follower.stored.keys() == before


def test_a_list_that_never_rests_is_unproven_after_three_passes():
    follower = Follower(in_one_second(), "place", "dext.suppliers")

    assert follower.run(editing(follower, 1_000)) == UNPROVEN
    assert sum("cursor" not in params for params in follower.provider.asked) == 3


@every_kind
def test_a_later_run_asks_from_five_minutes_before_the_newest_record_it_has(keys):
    follower = Follower(in_one_second(), keys)
    follower.run()
    newest = max(follower.stored.values())

    follower.run()

    assert follower.newest == newest
    assert (
        follower.provider.asked[-1]["updated_since"] == f"{newest - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    )


def test_a_key_that_dext_forgot_is_made_good_from_what_was_read():
    follower = Follower(in_one_second(), "row")
    follower.provider.forgets = 2

    assert follower.run() is None

    assert not follower.lost(follower.provider.listed.versions())


def test_keys_that_are_never_known_end_the_run():
    follower = Follower(in_one_second(), "row")
    follower.provider.forgets = 1_000

    with pytest.raises(RejectedError):
        follower.run()


def test_keys_that_lead_in_a_circle_end_the_run():
    follower = Follower(in_one_second(), "row")
    follower.provider.loops = True

    with pytest.raises(BrokenAnswerError):
        follower.run()


def test_a_list_that_is_not_ordered_by_change_ends_the_run():
    follower = Follower(in_one_second(), "row")
    follower.newest = START
    follower.provider.listed.rows[0].modified_at = START
    follower.provider.listed.now = START
    real = follower.provider.get

    def without_the_filter(request: Request, *rest: Any) -> Any:
        kept = {name: value for name, value in request.params.items() if name != "updated_since"}
        return real(Request(request.path, kept), *rest)

    follower.provider.get = without_the_filter  # type: ignore[method-assign]

    assert follower.run() == FILTER_IGNORED
