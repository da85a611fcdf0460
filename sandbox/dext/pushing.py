"""Takes lists that are pushed: a job for each, done on the sandbox's clock, entry by entry."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.dext.entries import blank_entry
from sandbox.dext.kinds import PREFIXES
from sandbox.dext.reading import moment
from sandbox.dext.refusals import Problem, invalid, problem
from sandbox.records import Record, RecordList

MOST = 500

Entry = dict[str, Any]


@dataclass
class Job:
    """One pushed list on its way into Dext; `seconds` from its arrival to its end."""

    id: str
    account: str
    kind: str
    mode: str
    entries: list[Any]
    begun_at: float
    seconds: float
    reject: tuple[str, ...] = ()
    accepted: int | None = None
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def status(self, now: float) -> str:
        """queued, running, and then how it ended."""
        if self.accepted is None:
            return "queued" if now < self.begun_at + self.seconds / 2 else "running"
        if not self.rejected:
            return "succeeded"
        return "partly_failed" if self.accepted else "failed"

    def told(self, now: float) -> dict[str, Any]:
        """The job as a client sees it."""
        told = {"job_id": self.id, "status": self.status(now)}
        return (
            told if self.accepted is None else told | {"accepted": self.accepted, "rejected": self.rejected}
        )


def check(body: Any) -> None:
    """Refuse what is no list; entries are looked at one by one in the job. Raises RefusedError."""
    if not isinstance(body, dict):
        raise invalid(problem("body", "not_an_object"))
    problems: list[Problem] = []
    if body.get("mode") not in {"upsert", "replace"}:
        problems.append(problem("mode", "unknown"))
    if not isinstance(body.get("entries"), list):
        problems.append(problem("entries", "not_a_list"))
    elif len(body["entries"]) > MOST:
        problems.append(problem("entries", "too_many"))
    if problems:
        raise invalid(*problems)
    moment("snapshot_at", str(body.get("snapshot_at")))


class Jobs:
    """Every job there was, in the order of arrival."""

    def __init__(self) -> None:
        self.all: list[Job] = []

    def begin(self, job: Job) -> None:
        """Take a job in."""
        self.all.append(job)

    def find(self, account: str, job_id: str) -> Job | None:
        """A job of this account's."""
        return next((job for job in self.all if (job.account, job.id) == (account, job_id)), None)

    def settle(self, account: str, now: float, list_of: Callable[[str], RecordList]) -> None:
        """Do what is due by now; called before anything of the account is looked at."""
        for job in self.all:
            if job.account == account and job.accepted is None and now >= job.begun_at + job.seconds:
                _do(job, list_of(job.kind), job.begun_at + job.seconds)


def _do(job: Job, records: RecordList, at: float) -> None:
    known = {row.fields["external_id"]: row for row in records.rows if row.fields["external_id"]}
    at_ms, named, accepted = int(at * 1000), set[str](), 0
    for entry in job.entries:
        fault = _fault(entry, named, job.reject)
        external_id = entry.get("external_id") if isinstance(entry, dict) else None
        if isinstance(external_id, str):
            named.add(external_id)
        if fault is None:
            accepted += 1
            _put(records, known.get(entry["external_id"]), job.kind, entry, at_ms)
        else:
            code, message = fault
            job.rejected.append({"external_id": external_id, "code": code, "message": message})
    job.accepted = accepted
    if job.mode == "replace" and job.status(at) != "failed":
        _archive(records, (row for name, row in known.items() if name not in named), at_ms)


def _put(records: RecordList, old: Record | None, kind: str, entry: Entry, at_ms: int) -> None:
    wished = {
        "external_id": entry["external_id"],
        "code": entry.get("code"),
        "name": entry["name"],
        "active": entry.get("active", True),
        "attributes": entry.get("attributes") or {},
    }
    if old is not None and wished.items() <= old.fields.items():
        return  # nothing is new, so nothing is stamped
    if old is None:
        records.serial += 1
    before = old.fields if old else blank_entry(f"{PREFIXES[kind]}_{records.serial}")
    _stamp(records, {**before, **wished}, at_ms)


def _archive(records: RecordList, rows: Iterable[Record], at_ms: int) -> None:
    # What people typed into Dext has no id of ours: a list of ours cannot mean it.
    for row in rows:
        if row.fields["active"]:
            _stamp(records, {**row.fields, "active": False}, at_ms)


def _stamp(records: RecordList, fields: Entry, at_ms: int) -> None:
    fields["updated_at"] = records.endpoint.date(at_ms)
    records.put(Record(records.endpoint, fields, at_ms))


def _fault(entry: Any, named: set[str], reject: tuple[str, ...]) -> tuple[str, str] | None:
    """Why an entry is not taken: a code, and a sentence for a person."""
    if not isinstance(entry, dict) or not _is_text(entry.get("external_id")):
        return "external_id_missing", "The entry has no external_id."
    attributes = entry.get("attributes") or {}
    checks = (
        (entry["external_id"] in named, "duplicate", "The entry stands twice in the list."),
        (not _is_text(entry.get("name")), "name_missing", "The entry has no name."),
        (not isinstance(entry.get("active", True), bool), "active_invalid", "active must be true or false."),
        (not isinstance(attributes, dict), "attributes_invalid", "attributes must be an object."),
        (not _is_rate(attributes), "rate_invalid", "The rate must be a decimal string."),
        (entry["external_id"] in reject, "not_accepted", f"Dext does not accept “{entry.get('name')}”."),
    )
    return next(((code, message) for wrong, code, message in checks if wrong), None)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_rate(attributes: Any) -> bool:
    rate = attributes.get("rate", "0") if isinstance(attributes, dict) else "0"
    try:
        return isinstance(rate, str) and Decimal(rate).is_finite()
    except InvalidOperation:
        return False
