"""What one signed-in account can ask of Dext: each question or write, answered or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from sandbox.answers import Answer
from sandbox.dext import files
from sandbox.dext.kinds import DEXT_RESOURCES, ITEMS
from sandbox.dext.links import Links
from sandbox.dext.pushing import check
from sandbox.dext.reading import answer_list, body_of, understand
from sandbox.dext.refusals import RefusedError, not_found
from sandbox.dext.switches import Switches
from sandbox.dext.world import DextWorld
from sandbox.faults import Fault
from sandbox.generators.values import stamp_string
from sandbox.lists import Twist
from sandbox.records import Record
from sandbox.rendering import plain


@dataclass(frozen=True)
class Asking:
    """One call of a signed-in account."""

    account: str
    named: Mapping[str, str]  # what the path names
    path: str
    query: Mapping[str, str]
    body: bytes
    key: str | None
    fault: Fault | None


class Desk:
    """Answers; every method raises RefusedError for what it does not answer."""

    def __init__(self, dext: DextWorld) -> None:
        self.dext = dext
        self.links = Links(dext.identity.client_secret)

    def account(self, asking: Asking) -> Answer:
        """Who this account is, until when it is connected, and what it can do."""
        account, grant = self.dext.accounts[asking.account], self.dext.identity.grants[asking.account]
        expires_at = datetime.fromtimestamp(int(grant.ends_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {
            "id": account.id,
            "name": account.name,
            "base_currency": account.currency,
            "connection": {"status": "active", "expires_at": expires_at},
            "features": self._switches(asking).features,
        }
        return Answer(200, plain(told), rows=1)

    def items(self, asking: Asking) -> Answer:
        """A page of the cost items."""
        return self._list(asking, ITEMS)

    def entries(self, asking: Asking) -> Answer:
        """A page of one of the lists."""
        return self._list(asking, _kind(asking))

    def item(self, asking: Asking) -> Answer:
        """One cost item, a deleted one as well."""
        body = body_of(self.dext.list_of(asking.account, ITEMS), self._item(asking), self._switches(asking))
        return Answer(200, body, rows=1)

    def file(self, asking: Asking) -> Answer:
        """The paper of an item that is not deleted: its bytes, or where they are."""
        item = self._item(asking)
        if item.hidden:
            raise not_found("file")
        if self._switches(asking).files == "link":
            link = self.links.make(asking.account, item.id, self.dext.clock.now())
            return Answer(302, b"", None, {"Location": link})
        return paper(item.id, asking.fault)

    def outcome(self, asking: Asking) -> Answer:
        """Take what became of a publication."""
        self._has("outcome_report", asking)

        def write() -> Answer:
            item = self._item(asking)
            at = stamp_string(self.dext.clock.now_ms())
            told = self.dext.outcomes.report(asking.account, item.fields, _json(asking.body), at)
            return Answer(200, plain(told))

        return self._once(asking, write)

    def push(self, asking: Asking) -> Answer:
        """Take a list in, to be worked on later."""
        self._has("list_push", asking)
        _kind(asking)

        def write() -> Answer:
            body = _json(asking.body)
            check(body)
            kind = asking.named["kind"]
            job = self.dext.push(asking.account, kind, body["mode"], body["entries"])
            return Answer(202, plain({"job_id": job.id, "status": "queued"}))

        return self._once(asking, write)

    def job(self, asking: Asking) -> Answer:
        """How far a pushed list has come."""
        found = self.dext.jobs.find(asking.account, asking.named["id"])
        if found is None:
            raise not_found("job")
        self.dext.list_of(asking.account, f"dext.{found.kind}")  # what is due is done now
        return Answer(200, plain(found.told(self.dext.clock.now())), rows=1)

    def _list(self, asking: Asking, resource: str) -> Answer:
        records, switches = self.dext.list_of(asking.account, resource), self._switches(asking)
        question = understand(records, asking.query, switches)
        twist = asking.fault.twist() if asking.fault is not None else Twist()
        return answer_list(records, question, switches, twist)

    def _item(self, asking: Asking) -> Record:
        found = self.dext.list_of(asking.account, ITEMS).by_id.get(asking.named["id"])
        if found is None:
            raise not_found("cost item")
        return found

    def _once(self, asking: Asking, write: Any) -> Answer:
        return self.dext.remembered.once(asking.account, asking.path, asking.key, asking.body, write)

    def _has(self, feature: str, asking: Asking) -> None:
        if not self._switches(asking).features[feature]:
            raise RefusedError(403, "feature_unavailable", f"This account has no {feature}.")

    def _switches(self, asking: Asking) -> Switches:
        return self.dext.switches[asking.account]


def paper(item_id: str, fault: Fault | None) -> Answer:
    """The bytes of an item's paper, or what a fault makes of them."""
    body = files.spoilt(files.content(item_id), fault.kind if fault else None)
    headers = {"Content-Disposition": f'attachment; filename="{item_id}.pdf"'}
    return Answer(200, body, "application/pdf", headers, rows=1)


def _kind(asking: Asking) -> str:
    resource = f"dext.{asking.named['kind']}"
    if resource not in DEXT_RESOURCES or resource == ITEMS:
        raise not_found("list")
    return resource


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError(400, "not_json", "The body is not JSON.") from None
