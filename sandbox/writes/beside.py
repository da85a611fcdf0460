"""What stands beside a document: its history with notes, and its attachments."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.answers import Answer, not_found
from sandbox.clock import Clock
from sandbox.endpoints import Endpoint
from sandbox.records import Record
from sandbox.rendering import envelope, plain
from sandbox.writes.documents import Documents
from sandbox.writes.ledger import File, Ledger
from sandbox.writes.refusals import invalid, malformed

LONGEST_NOTE = 2500
MOST_FILES = 10
LARGEST_FILE = 10 * 2**20
API = "https://api.xero.com/api.xro/2.0"


class Beside:
    """Notes and files of every document."""

    def __init__(self, documents: Documents, clock: Clock, ledger: Ledger) -> None:
        self.documents = documents
        self.clock = clock
        self.ledger = ledger

    def history(self, tenant: str, record: Record) -> Answer:
        """`GET …/History`: its making, and every note there was; the newest first."""
        made = {"Changes": "Created", "Details": "", "User": "System Generated"}
        notes = [made | _dated(record.modified_ms), *self.ledger.notes.get((tenant, record.id), ())]
        return self._list("HistoryRecords", notes[::-1])

    def add_note(self, tenant: str, record: Record, body: Any) -> Answer:
        """`PUT …/History`: each adds another note, whatever stands there already."""
        notes = body.get("HistoryRecords") if isinstance(body, dict) else None
        if not isinstance(notes, list) or not all(isinstance(each, dict) for each in notes):
            raise malformed("No HistoryRecords were found in what was sent.")
        for note in notes:
            if not 1 <= len(str(note.get("Details", ""))) <= LONGEST_NOTE:
                raise invalid(note, f"Details must have 1 to {LONGEST_NOTE} characters")
        dated = _dated(self.clock.now_ms())
        added = [{"Changes": "Note", "User": "System Generated", **dated, **note} for note in notes]
        self.ledger.notes.setdefault((tenant, record.id), []).extend(added)
        told = [{**dated, "Details": note["Details"], "ValidationErrors": []} for note in notes]
        return self._list("HistoryRecords", told)

    def files(self, tenant: str, endpoint: Endpoint, record: Record) -> Answer:
        """`GET …/Attachments`."""
        files = self.ledger.files.get((tenant, record.id), [])
        return self._list("Attachments", [_told(endpoint, record, each) for each in files])

    def file(self, tenant: str, record: Record, wanted: str) -> Answer:
        """`GET …/Attachments/{AttachmentID|FileName}`: the bytes."""
        files = self.ledger.files.get((tenant, record.id), [])
        found = next((each for each in files if wanted in {each.id, each.name}), None)
        return not_found() if found is None else Answer(200, found.body, found.mime)

    def add_file(
        self, tenant: str, endpoint: Endpoint, record: Record, file: File, *, replaces: bool
    ) -> Answer:
        """`PUT …/Attachments/{FileName}` makes a new one; `POST` replaces one of the same name."""
        files = self.ledger.files.setdefault((tenant, record.id), [])
        if len(file.body) > LARGEST_FILE:
            raise invalid({}, f"The attachment is larger than {LARGEST_FILE} bytes")
        if replaces:
            files[:] = [each for each in files if each.name != file.name]
        if len(files) >= MOST_FILES:
            raise invalid({}, f"A document may have up to {MOST_FILES} attachments")
        files.append(file)
        self.documents.attached(tenant, endpoint, record)
        return self._list("Attachments", [_told(endpoint, record, file)])

    def _list(self, key: str, rows: list[dict[str, Any]]) -> Answer:
        head = {
            "Id": str(uuid.uuid4()),
            "Status": "OK",
            "ProviderName": "Sandbox App",
            "DateTimeUTC": f"/Date({self.clock.now_ms()})/",
        }
        body = envelope(head, key, [plain(row) for row in rows], compact=False)
        return Answer(200, body, headers={"Xero-Correlation-Id": head["Id"]}, rows=len(rows))


def _dated(at_ms: int) -> dict[str, Any]:
    written = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"DateUTCString": written, "DateUTC": f"/Date({at_ms})/"}


def _told(endpoint: Endpoint, record: Record, file: File) -> dict[str, Any]:
    return {
        "AttachmentID": file.id,
        "FileName": file.name,
        "Url": f"{API}/{endpoint.path}/{record.id}/Attachments/{file.name}",
        "MimeType": file.mime,
        "ContentLength": len(file.body),
        "IncludeOnline": file.online,
    }
