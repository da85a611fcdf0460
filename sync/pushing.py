"""One decision on its way: look, compare, send, make sure.

Xero checks no version, so we look and compare ourselves before anything is sent, and look again after
anything unclear. Whoever goes on where another died begins with a look.
"""

from dataclasses import replace
from datetime import datetime

from config.points import reached
from connectors import errors
from connectors.http import Got
from connectors.xero.deciding import Call, Document
from connectors.xero.refusals import explain
from store import pushes
from store.database import Transaction
from store.pushes import PushClaim, Settled
from store.runs import Tally
from sync import stops
from sync.beside import finish
from sync.effort import Effort
from sync.judging import Verdict, begins_anew, judge, marked, may_be_under_way, must_wait
from sync.services import Services
from sync.stops import Outcome
from sync.storing import store, tell

UNCLEAR = {
    "error_code": "unclear",
    "error_sentence": "It was sent, and no answer says whether Xero has done it; when we looked, it had not."
    " It is looked at and sent again by itself.",
    "error_words": "",
}
UNDER_WAY = {
    "error_code": "under_way",
    "error_sentence": "Xero says no, or has something else than the approver saw; but a call of ours got no"
    " clear answer, and may still be worked on. It is looked at again by itself until that cannot be.",
    "error_words": "",
}


def push(services: Services, claim: PushClaim) -> Outcome:
    """Bring a decision to Xero, once, and then what goes with it.

    Raises LeaseLostError when somebody else goes on: then nothing more of ours was written.
    """
    effort = Effort(services, claim)
    try:
        if claim.is_open and (ended := _bring(effort)):
            return ended
    except (errors.RejectedError, errors.UnsupportedError) as error:
        # Once something went out it may have been done: a look that is refused says nothing of that.
        return effort.again(stops.fields(error)) if effort.went_out else _refused(effort, error, None)
    except errors.ConnectorError as error:
        return effort.stop(error)
    return finish(effort)


def break_off(services: Services, claim: PushClaim, error: Exception) -> Outcome:
    """Something nobody foresaw: it backs off and shows it, and begins with a look again."""
    return Effort(services, claim).stop(stops.unforeseen(error))


def _bring(effort: Effort) -> Outcome | None:
    """Look, compare, and send what is not done yet; None: it is confirmed."""
    try:
        document = effort.look()
    except errors.NotFoundError:
        return _conflict(effort, None)
    reached("decision.looked")
    verdict = judge(effort.claim, document, went_out=effort.went_out)
    if verdict is Verdict.CONFLICT:
        return _conflict(effort, document)
    if verdict is Verdict.SEND:
        return _send(effort, document)
    _confirm(effort, document)
    return None


def _send(effort: Effort, document: Document) -> Outcome | None:
    claim = effort.claim
    with effort.services.database.transaction() as tx:
        if wait := must_wait(claim, tx.now):
            return effort.again_in(tx, wait, UNCLEAR)
        pushes.sending(tx, claim, anew=begins_anew(claim, tx.now))
    reached("decision.sending")
    try:
        answered = effort.ask(lambda call: _write(effort, document, call))
    except errors.UnknownOutcomeError:
        effort.went_out = True
        return _look_again(effort)
    except errors.ConnectorError as error:
        # It never went out, or was turned away: at the door, or by Xero's rules.
        with effort.services.database.transaction() as tx:
            pushes.unsent(tx, claim)
        if isinstance(error, errors.RejectedError | errors.UnsupportedError):
            return _look_behind(effort, error)
        raise
    effort.went_out = True
    reached("decision.answered")
    if judge(claim, answered, went_out=True) is not Verdict.DONE:
        return _look_again(effort)
    _confirm(effort, answered, stamp=answered.modified_at)
    return None


def _write(effort: Effort, document: Document, call: Call) -> Got[Document]:
    claim, documents = effort.claim, effort.documents
    resource, document_id = claim.destination.resource, claim.document_id
    if claim.wanted is None:
        key = f"approval:{claim.id}:REFERENCE"
        return documents.set_reference(resource, document_id, marked(document.reference), key, call)
    key = f"approval:{claim.id}:{claim.wanted}"
    return documents.set_status(resource, document_id, claim.wanted, key, call)


def _look_again(effort: Effort) -> Outcome | None:
    """It may have been done, or not: only a look tells. What was not is sent again after a while."""
    reached("decision.unclear")
    document = effort.look()
    if judge(effort.claim, document, went_out=True) is Verdict.DONE:
        _confirm(effort, document)
        return None
    return effort.again(UNCLEAR)


def _look_behind(effort: Effort, refusal: errors.ConnectorError) -> Outcome | None:
    """What is done already Xero refuses too: by a call of ours that took its time, or by somebody else."""
    try:
        document = effort.look()
    except errors.NotFoundError:
        return _refused(effort, refusal, None)
    if judge(effort.claim, document, went_out=effort.went_out) is Verdict.DONE:
        _confirm(effort, document)
        return None
    return _refused(effort, refusal, document)


def _confirm(effort: Effort, document: Document, *, stamp: datetime | None = None) -> None:
    """It is as decided, by us, or by somebody else before anything of ours went out.

    `stamp`: of our own change, as the answer to the write told it; a look may find somebody else's.
    """
    settled = Settled(
        "confirmed",
        found_status=document.status,
        found_modified_at=document.modified_at,
        written_modified_at=stamp,
    )
    with effort.services.database.transaction() as tx:
        _settle(tx, effort, settled, document)
        reached("decision.settled")
    reached("decision.confirmed")


def _conflict(effort: Effort, document: Document | None) -> Outcome:
    claim = effort.claim
    now = "it is not there any more" if document is None else f"now it is {document.status}{_of(document)}"
    stamp = f" of {claim.seen_modified_at:%Y-%m-%d %H:%M:%S} UTC" if claim.seen_modified_at else ""
    settled = Settled(
        "conflict",
        error_code="conflict",
        error_sentence=f"The document is not what the approver saw. That was {claim.seen_status}{stamp};"
        f" {now}. Look at it in Xero, and decide again.",
        mended_by="the approver",
    )
    return _ended(effort, settled, document)


def _of(document: Document) -> str:
    return f" of {document.modified_at:%Y-%m-%d %H:%M:%S} UTC" if document.modified_at else ""


def _refused(effort: Effort, error: errors.ConnectorError, document: Document | None) -> Outcome:
    """Xero's rules say no, or it refuses our request as such: either way until a person acts."""
    refusal, words = explain(error)
    settled = Settled(
        "refused",
        error_code=refusal.code,
        error_sentence=refusal.sentence,
        error_words=words,
        mended_by=refusal.mended_by,
    )
    return _ended(effort, settled, document)


def _ended(effort: Effort, settled: Settled, document: Document | None) -> Outcome:
    """It does not stand; but that is settled only once no call of ours can be under way any more."""
    if document is not None:
        settled = replace(settled, found_status=document.status, found_modified_at=document.modified_at)
    with effort.services.database.transaction() as tx:
        if longest := may_be_under_way(effort.claim, tx.now):
            return effort.again_in(tx, min(longest, effort.back_off()), UNDER_WAY)
        _settle(tx, effort, settled, document)
        following = effort.following(tx)
        reached("decision.settled")
    return Outcome(settled.outcome, settled.error_code, messages=following, newest_event=effort.newest_event)


def _settle(tx: Transaction, effort: Effort, settled: Settled, document: Document | None) -> None:
    """Write down what became of it, and the document, where it was looked at."""
    page, claim = document.page if document else None, effort.claim
    pushes.renew(tx, claim)
    if page is not None:
        # While the decision is still on its way: by that our own change is known.
        stored = store(tx, effort.services, claim.destination, page)
        effort.newest_event = tell(tx, claim.destination, stored, Tally())
    pushes.settle(tx, claim, settled, stored=page is not None)
    effort.used(tx)
