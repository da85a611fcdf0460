"""What else we ask Dext for and tell it: the account, an item's file, our lists, and what became of an item.

UnsupportedError is a normal answer here: the agreement, or this account's plan, does not include it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO, TypeVar

from config.dext import DextSettings
from connectors.dext.answers import read_value
from connectors.dext.asking import Call, ask, tell
from connectors.dext.files import Intake, pointed_to
from connectors.dext.values import DextAccount, DextFile, Kind, ListEntry, ListPushJob, Mode, Outcome
from connectors.dext.wire import account_from_wire, job_from_wire, list_to_wire, outcome_to_wire
from connectors.errors import UnsupportedError
from connectors.http import ApiClient, Request
from connectors.transport import Answer

MOST_ENTRIES = 500
"""Entries of a list that one call may carry."""
POINTS_ELSEWHERE = frozenset({301, 302, 303, 307, 308})

T = TypeVar("T")


class DextPort:
    """Everything besides the lists that DextConnector reads. One object serves all threads of a process."""

    def __init__(self, api: ApiClient, settings: DextSettings) -> None:
        self._api = api
        self._settings = settings

    def account(self, call: Call) -> DextAccount:
        """The account that the grant reaches; compare its id before anything else of it is believed."""
        return self._get(ask(self._settings, "account", call.access), account_from_wire, call)

    def list_job(self, job_id: str, call: Call) -> ListPushJob:
        """What has become of a list on its way into Dext."""
        return self._get(ask(self._settings, "list_job", call.access, id=job_id), job_from_wire, call)

    def put_list(
        self,
        kind: Kind,
        entries: Sequence[ListEntry],
        mode: Mode,
        snapshot_at: datetime,
        key: str,
        call: Call,
    ) -> ListPushJob:
        """Send entries of a list: `replace` archives what is absent, so it has to hold them all.

        At most MOST_ENTRIES: ValueError for more to upsert, which the caller splits; UnsupportedError for
        more to replace, which cannot be. UnknownOutcomeError: send it again with the same key.
        """
        if len(entries) > MOST_ENTRIES and mode == "replace":
            raise UnsupportedError(
                f"A list of more than {MOST_ENTRIES} entries cannot be replaced in Dext, only added to.",
                code="too_many_to_replace",
            )
        if len(entries) > MOST_ENTRIES:
            raise ValueError(f"{len(entries)} entries are more than one call may carry.")
        request = ask(self._settings, "put_list", call.access, kind=kind)
        body = list_to_wire(entries, mode, snapshot_at)
        return self._tell(request, body, key, lambda answer: read_value(answer, job_from_wire), call)

    def report_outcome(self, item_id: str, outcome: Outcome, call: Call) -> None:
        """Tell Dext what became of a published item; told twice, it counts once."""
        request = ask(self._settings, "outcome", call.access, id=item_id)
        self._tell(request, outcome_to_wire(outcome), outcome.key(item_id), _nothing, call)

    def file(self, item_id: str, sink: BinaryIO, call: Call, *, sha256: str | None = None) -> DextFile:
        """Stream an item's file into the sink, from where it stands; it has to be one that can go back.

        `sha256` is what the item's record says of the file. RejectedError when it is larger than allowed.
        """
        intake = Intake(sink, self._settings.dext_largest_file_mib * 2**20, sha256)
        deadline = self._settings.dext_file_deadline

        def before_attempt() -> None:
            call.before_attempt()
            intake.begin()

        def read(answer: Answer) -> DextFile:
            if answer.status in POINTS_ELSEWHERE:
                url = pointed_to(self._settings.dext_base_url or "", request.path, answer)
                answer = self._api.elsewhere(url, intake.take, deadline)
            return intake.finish(answer)

        request = replace(
            ask(self._settings, "file", call.access, id=item_id),
            good=POINTS_ELSEWHERE | {200},
            take=intake.take,
            deadline=deadline,
        )
        request = replace(request, headers={**request.headers, "Accept": "*/*"})
        return self._api.get(request, call.access.account, call.call_class, before_attempt, read).value

    def _get(self, request: Request, from_wire: Callable[[Mapping[str, Any]], T], call: Call) -> T:
        got = self._api.get(
            request,
            call.access.account,
            call.call_class,
            call.before_attempt,
            lambda answer: read_value(answer, from_wire),
        )
        return got.value

    def _tell(self, request: Request, body: bytes, key: str, read: Callable[[Answer], T], call: Call) -> T:
        got = self._api.write(
            tell(request, body, key),
            call.access.account,
            call.call_class,
            call.before_attempt,
            read,
            repeatable=self._settings.dext_writes == "repeat",
        )
        return got.value


def _nothing(answer: Answer) -> None:
    """An outcome was taken; whatever Dext says of it besides is JSON, or it was not Dext that answered."""
    if answer.body.strip():
        read_value(answer, lambda _content: None)
