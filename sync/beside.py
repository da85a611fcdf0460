"""What goes with a decision once it stands: its note, its files, and the document as all that left it.

Each is looked for before it is sent, and tried again for itself: its failure never undoes the decision.
"""

from config.decisions import LONGEST_NOTE, MOST_FILES
from config.points import reached
from connectors import errors
from store import pushes
from store.pushes import Step
from store.runs import Tally
from sync import stops
from sync.effort import Effort
from sync.stops import Outcome
from sync.storing import store, tell

# These stop every call of the connection alike, whatever it was for.
STOPS_ALL = (
    errors.RateLimitedError,
    errors.GrantLostError,
    errors.AccessLostError,
    errors.ConfigurationError,
)


class _NeverError(errors.RejectedError):
    """A note or a file that can never be brought, and why."""


def finish(effort: Effort) -> Outcome:
    """Bring what is still to be brought, and end, or come back for the rest later."""
    with effort.services.database.reading() as tx:
        waiting = pushes.waiting_steps(tx, effort.claim)
    # Each in its turn is the first: one that fails for ever does not keep the others from being tried.
    turn = effort.claim.attempts % max(1, len(waiting))
    failed = None
    try:
        for step in [*waiting[turn:], *waiting[:turn]]:
            if failed := _try(effort, step):
                # A call may hang for half a minute, in a place that a new decision may need.
                break
        _store_again(effort)
    except errors.ConnectorError as error:
        return effort.stop(error)
    if failed:
        return effort.stop(failed)
    with effort.services.database.transaction() as tx:
        pushes.end(tx, effort.claim)
        following = effort.following(tx)
        effort.used(tx)
        reached("decision.ended")
    return Outcome("confirmed", messages=following, newest_event=effort.newest_event)


def _try(effort: Effort, step: Step) -> errors.ConnectorError | None:
    """Bring one; why it has to be tried again, or None: it is there, or never will be."""
    try:
        {"note": _note, "file": _file}[step.what](effort, step)
    except STOPS_ALL:
        raise
    except errors.ConnectorError as error:
        ends = isinstance(error, errors.RejectedError | errors.NotFoundError | errors.UnsupportedError)
        with effort.services.database.transaction() as tx:
            pushes.step_failed(tx, effort.claim, step, stops.fields(error), ends=ends)
            effort.used(tx)
        return None if ends else error
    with effort.services.database.transaction() as tx:
        pushes.step_done(tx, effort.claim, step)
        effort.used(tx)
    return None


def _note(effort: Effort, step: Step) -> None:
    """Notes can only be added, never taken back: the decision's id shows whether ours is there."""
    claim, documents = effort.claim, effort.documents
    place = (claim.destination.resource, claim.document_id)
    if any(claim.id in note for note in effort.ask(lambda call: documents.notes(*place, call))):
        return
    mark = f" [decision {claim.id}]"
    text = _body(effort, step).decode()[: LONGEST_NOTE - len(mark)] + mark
    reached("decision.noting")
    effort.ask(lambda call: documents.add_note(*place, text, f"approval:{claim.id}:note", call))
    reached("decision.noted")


def _file(effort: Effort, step: Step) -> None:
    claim, documents, name = effort.claim, effort.documents, step.name or ""
    place = (claim.destination.resource, claim.document_id)
    there = effort.ask(lambda call: documents.files(*place, call))
    if there.get(name) == step.size:
        return
    if name in there:
        raise _NeverError(f"Another file named {name} is attached already. Give ours another name.")
    if len(there) >= MOST_FILES:
        raise _NeverError(
            f"The document has {len(there)} files already; Xero takes no more than {MOST_FILES}."
        )
    body, key = _body(effort, step), f"approval:{claim.id}:file:{step.position}"
    reached("decision.attaching")
    effort.ask(lambda call: documents.attach(*place, name, step.mime or "", body, key, call))
    reached("decision.attached")


def _body(effort: Effort, step: Step) -> bytes:
    with effort.services.database.reading() as tx:
        return pushes.body_of(tx, effort.claim, step)


def _store_again(effort: Effort) -> None:
    """Our own change is in the store before the next read finds it."""
    claim, destination = effort.claim, effort.claim.destination
    with effort.services.database.reading() as tx:
        if pushes.is_stored(tx, claim):
            return
    try:
        document = effort.look()
    except errors.NotFoundError:
        document = None  # the list's own reads will say what became of it
    with effort.services.database.transaction() as tx:
        found = (document.status, document.modified_at) if document else None
        pushes.stored(tx, claim, found)
        if document and document.page:
            page = store(tx, effort.services, destination, document.page)
            effort.newest_event = tell(tx, destination, page, Tally())
        effort.used(tx)
        reached("decision.stored")
