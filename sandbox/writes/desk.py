"""Where a client's call about a document and what stands beside it goes; a repeated one is done once."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sandbox.answers import Answer, not_found
from sandbox.clock import Clock
from sandbox.dataset import Dataset
from sandbox.edits import Listener
from sandbox.endpoints import BY_RESOURCE, Endpoint
from sandbox.records import Record
from sandbox.writes.beside import Beside
from sandbox.writes.documents import Documents
from sandbox.writes.ledger import File, Ledger
from sandbox.writes.memory import Memory, Sent
from sandbox.writes.refusals import RefusedError, malformed
from sandbox.writes.rules import RULES

ATTACHMENTS = "accounting.attachments"
BESIDE = ("", "History", "Attachments")


@dataclass(frozen=True)
class Place:
    """What follows the list in an address."""

    one: str  # the document's id; empty: the list itself
    beside: str  # History, Attachments, or nothing
    name: str  # a file's


@dataclass(frozen=True)
class Asked:
    """One call about a document, its way in already open."""

    tenant: str
    endpoint: Endpoint
    method: str
    place: Place
    query: Mapping[str, str]
    mime: str
    body: bytes
    sent: Sent | None  # the key, if it has one


class Desk:
    """Takes writes, and shows what stands beside documents."""

    def __init__(self, dataset: Dataset, clock: Clock, heard: Listener) -> None:
        self.dataset = dataset
        self.clock = clock
        self.ledger = Ledger()
        self.memory = Memory()
        self.documents = Documents(dataset, clock, self.ledger, heard)
        self.besides = Beside(self.documents, clock, self.ledger)

    def answer(self, asked: Asked) -> Answer:
        """Answer; a write with a key that is remembered is answered as it was, and does nothing."""
        if asked.sent is None:
            return self._done(asked)
        if known := self.memory.answer(asked.sent, self.clock.now()):
            return known
        answer = self._done(asked)
        self.keep_first(asked.sent, answer)
        return answer

    def keep_first(self, sent: Sent, answer: Answer) -> None:
        """Remember what a key was answered with, unless it was answered before."""
        now = self.clock.now()
        if not self.memory.knows(sent, now):
            self.memory.forget(now)
            self.memory.keep(sent, answer, now)

    def tell(self) -> Any:
        """For the state file."""
        return self.ledger, self.memory.answers

    def take(self, told: Any) -> None:
        """What `tell` told."""
        ledger, self.memory.answers = told
        vars(self.ledger).update(vars(ledger))

    def _done(self, asked: Asked) -> Answer:
        if asked.place.beside not in BESIDE:
            return not_found()
        if asked.endpoint.path not in RULES:
            return Answer(501, b"", None)
        try:
            return self._beside(asked) if asked.place.beside else self._document(asked)
        except RefusedError as refused:
            return refused.answer

    def _document(self, asked: Asked) -> Answer:
        if asked.method != "POST":  # PUT makes new documents: that is not played here
            return Answer(501, b"", None)
        exact = asked.query.get("unitdp") == "4"
        body = _json(asked.body)
        if one := asked.place.one:
            return self.documents.change_one(asked.tenant, asked.endpoint, one, body, exact=exact)
        summarize = asked.query.get("summarizeErrors", "true").lower() != "false"
        return self.documents.change_several(
            asked.tenant, asked.endpoint, body, exact=exact, summarize=summarize
        )

    def _beside(self, asked: Asked) -> Answer:
        record = self._record(asked)
        if record is None:
            return not_found()
        tenant, endpoint, name = asked.tenant, asked.endpoint, asked.place.name
        ways: dict[tuple[str, str, bool], Callable[[], Answer]] = {
            ("History", "GET", False): lambda: self.besides.history(tenant, record),
            ("History", "PUT", False): lambda: self.besides.add_note(tenant, record, _json(asked.body)),
            ("Attachments", "GET", False): lambda: self.besides.files(tenant, endpoint, record),
            ("Attachments", "GET", True): lambda: self.besides.file(tenant, record, name),
            ("Attachments", "PUT", True): lambda: self.besides.add_file(
                tenant, endpoint, record, _file(asked), replaces=False
            ),
            ("Attachments", "POST", True): lambda: self.besides.add_file(
                tenant, endpoint, record, _file(asked), replaces=True
            ),
        }
        return ways.get((asked.place.beside, asked.method, bool(name)), not_found)()

    def _record(self, asked: Asked) -> Record | None:
        records = self.dataset.list_of(asked.tenant, BY_RESOURCE[asked.endpoint.resource])
        records.settle(self.clock.now())
        return records.by_id.get(asked.place.one)


def places(path: str) -> Place:
    """The parts of what follows the list in an address."""
    one, _, rest = path.partition("/")
    beside, _, name = rest.partition("/")
    return Place(one, beside, name)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise malformed("What was sent is no JSON.") from None


def _file(asked: Asked) -> File:
    online = asked.query.get("IncludeOnline", "").lower() == "true"
    mime = asked.mime or "application/octet-stream"
    return File(str(uuid.uuid4()), asked.place.name, mime, asked.body, online)
