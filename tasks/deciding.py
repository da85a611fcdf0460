"""The one door for decisions: checked, on record, and only then sent on their way."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from celery import Celery

from config.decisions import DECISIONS, KINDS, LARGEST_FILE, LONGEST_NOTE, MOST_FILES
from config.points import reached
from store import decisions, organisations
from store.decisions import CannotDecideError, File, Seen, Wish
from sync.services import Services
from tasks import enqueue
from tasks.enqueue import SyncRefusedError, check_texts


def wish(  # noqa: PLR0913 - by name only
    kind: str,
    document_id: str,
    decision: str,
    *,
    by: str,
    idempotency_key: str | None = None,
    seen_status: str | None = None,
    seen_modified_at: datetime | str | None = None,
    mark_reference: bool = False,
    note: str | None = None,
    files: Sequence[File] = (),
) -> Wish:
    """What somebody decides, checked as far as it can be without looking; SyncRefusedError: what is wrong.

    `seen_…` is what the approver saw; without a modified time, that is what is stored, and has this status.
    """
    _among("kind", kind, KINDS)
    _among("decision", decision, DECISIONS)
    check_texts(document_id=document_id, by=by, idempotency_key=idempotency_key, seen_status=seen_status)
    _check_note(note)
    _check_files(files)
    if not isinstance(mark_reference, bool):
        raise SyncRefusedError("mark_reference must be true or false.")
    return Wish(
        kind=kind,
        document_id=document_id,
        decision=decision,
        by=by,
        idempotency_key=idempotency_key,
        seen=_seen(seen_status, seen_modified_at),
        mark_reference=mark_reference,
        note=note,
        files=tuple(files),
    )


def decide(app: Celery, organisation: str, wished: Wish) -> str:
    """Put a decision on record and send it on its way; returns its id. The same key gives the same decision.

    Raises SyncRefusedError for what cannot be decided so.
    """
    services: Services = app.services
    check_texts(organisation=organisation)
    try:
        with services.database.transaction() as tx:
            found = organisations.find(tx, organisation)
            shape = services.shape(KINDS[wished.kind].resource)
            decision_id, message = decisions.decide(tx, shape, found.id, wished)
    except (organisations.UnknownOrganisationError, CannotDecideError) as error:
        raise SyncRefusedError(str(error)) from error
    reached("decision.recorded")
    enqueue.publish(app, [message] if message else [])
    return decision_id


def _among(name: str, value: object, known: Iterable[str]) -> None:
    words = tuple(known)
    if value not in words:
        raise SyncRefusedError(f"{value!r} is no {name}: it must be one of {', '.join(words)}.")


def _seen(status: str | None, modified_at: datetime | str | None) -> Seen | None:
    if status is None:
        if modified_at is not None:
            raise SyncRefusedError("What was seen needs its status beside its modified time.")
        return None
    if isinstance(modified_at, str):
        try:
            modified_at = datetime.fromisoformat(modified_at)
        except ValueError as error:
            raise SyncRefusedError(
                f"{modified_at!r} is no time: give it as 2026-09-14T09:30:00.123+00:00."
            ) from error
    if modified_at is not None and modified_at.tzinfo is None:
        modified_at = modified_at.replace(tzinfo=UTC)
    return Seen(status, modified_at)


def _check_note(note: str | None) -> None:
    if note is None:
        return
    if not isinstance(note, str) or not 1 <= len(note) <= LONGEST_NOTE:
        raise SyncRefusedError(f"A note must be a text of 1 to {LONGEST_NOTE} characters.")
    if "\0" in note or any("\ud800" <= character <= "\udfff" for character in note):
        raise SyncRefusedError("The note has a character in it that no text may have.")


def _check_files(files: Sequence[File]) -> None:
    if len(files) > MOST_FILES:
        raise SyncRefusedError(f"{len(files)} files are too many: Xero takes {MOST_FILES} for a document.")
    for file in files:
        check_texts(name_of_file=file.name, mime=file.mime)
        if not file.body or len(file.body) > LARGEST_FILE:
            megabytes = LARGEST_FILE // 2**20
            raise SyncRefusedError(f"The file {file.name} must have 1 byte to {megabytes} MiB.")
        if "/" in file.name or file.name in {".", ".."}:
            raise SyncRefusedError(f"{file.name!r} is no name for a file.")
    if len({file.name for file in files}) < len(files):
        raise SyncRefusedError("Two of the files have the same name.")
