"""What clients have changed: how often each document's status, its notes, its files; and what is refused."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Document = tuple[str, str]  # tenant, id


@dataclass
class File:
    """One attachment."""

    id: str
    name: str
    mime: str
    body: bytes
    online: bool


@dataclass
class Ledger:
    """Everything beside the documents themselves that writes leave behind."""

    applied: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # tenant, id, status
    notes: dict[Document, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[Document, list[File]] = field(default_factory=dict)
    approvals_left: dict[str, int] = field(default_factory=dict)  # by tenant: what its plan still lets
    refusals: dict[Document, str] = field(default_factory=dict)  # the words for whatever is wanted

    def calm(self) -> None:
        """Refuse nothing but by the rules; what was done stays."""
        self.approvals_left.clear()
        self.refusals.clear()

    def told(self, tenant: str) -> dict[str, Any]:
        """One organisation's, by document: what was applied how often, notes, files."""
        changes: dict[str, dict[str, int]] = {}
        for (of, document, status), times in self.applied.items():
            if of == tenant:
                changes.setdefault(document, {})[status] = times
        return {
            "applied": changes,
            "notes": {
                document: [note["Details"] for note in notes if "Details" in note]
                for (of, document), notes in self.notes.items()
                if of == tenant
            },
            "files": {
                document: [each.name for each in files]
                for (of, document), files in self.files.items()
                if of == tenant
            },
        }
