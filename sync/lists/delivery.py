"""Calls on their way into Dext: sent, followed to the end of their job, and what came of them stored.

Whatever is killed, nothing is lost and nothing done twice: a call is on record with its key before it is
sent, is sent again as it was while nobody knows what became of it, and leaves the record in the transaction
that stores what Dext took.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from config.limits import CallClass
from config.points import reached
from connectors.dext import Kind, ListPushJob, Mode, RejectedEntry
from connectors.errors import ConnectorError, NotFoundError, RejectedError, TransientError
from store import feeds, list_calls, list_entries, rejects, runs, upstream
from store.database import Transaction
from store.list_calls import ListCall
from store.list_entries import Taken
from store.runs import Claim, Tally
from sync.lists.copies import is_news, listed
from sync.lists.mapping import read, written
from sync.reading import Reader
from sync.services import Services
from sync.storing import used

# A job that runs for longer was lost by Dext; its entries are sent again under a new key.
LONGEST_JOB = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that Dext did not take, as the store keeps it."""

    id: str
    raw: str
    sentence: str


class Delivery:
    """Brings the calls of one claim to their end, as far as this slice gets."""

    def __init__(self, services: Services, claim: Claim, reader: Reader, call_class: CallClass) -> None:
        self._services = services
        self._claim = claim
        self._reader = reader
        self._call_class = call_class
        self._failed: ConnectorError | None = None

    def deliver(self) -> list[ListCall]:
        """Send what was not sent, look at what was; returns what Dext is still at work on, or not sent yet.

        What Dext refuses as a whole is forgotten, so that it is planned anew, and the others go on; its
        error is raised at the end.
        """
        for step in (self._send, self._look):
            for call in self._calls():
                if self._reader.used_up():
                    return self._calls()
                self._guarded(call, step)
        if self._failed:
            raise self._failed
        return self._calls()

    def _calls(self) -> list[ListCall]:
        with self._services.database.reading() as tx:
            return list_calls.on_their_way(tx, self._claim.feed_id)

    def _guarded(self, call: ListCall, step: Callable[[ListCall], None]) -> None:
        try:
            step(call)
        except (RejectedError, NotFoundError) as error:
            calls = self._reader.calls_in_vain(error)
            with self._services.database.transaction() as tx:
                runs.renew(tx, self._claim, Tally(calls=calls))
                self._plan_again(tx, call, error)
                used(tx, self._claim, calls)

    def _send(self, call: ListCall) -> None:
        if call.job_id is not None:
            return
        with self._services.database.transaction() as tx:
            runs.renew(tx, self._claim)
            list_calls.sending(tx, call.id)
        reached("push.sending")
        entries = [read(text) for text in call.texts]
        kind, mode, key = cast("Kind", call.kind), cast("Mode", call.mode), f"push:{call.id}"
        port = self._services.dext
        job = self._reader.ask(
            lambda access: port.put_list(kind, entries, mode, call.snapshot_at, key, access), self._call_class
        )
        self._note(call, job)

    def _look(self, call: ListCall) -> None:
        if call.job_id is None:
            return
        job_id, port = call.job_id, self._services.dext
        job = self._reader.ask(lambda access: port.list_job(job_id, access), self._call_class)
        self._note(call, job)

    def _note(self, call: ListCall, job: ListPushJob) -> None:
        """Store how far a call has come; once its job has ended, what Dext made of each entry."""
        reached("push.answered")
        claim, calls = self._claim, self._reader.spent()
        changes_dext = job.ended and self._is_news(call)
        with self._services.database.transaction() as tx:
            runs.renew(tx, claim, Tally(calls=calls))
            if trouble := _trouble(call, job, tx.now):
                self._plan_again(tx, call, trouble)
            elif job.ended:
                runs.count(tx, claim, settle(tx, claim, call, job))
                list_calls.forget(tx, [call.id])
                if changes_dext:
                    upstream.want(tx, claim.connection_id, f"dext.{call.kind}")
            else:
                list_calls.taken_in(tx, call.id, job.id)
            used(tx, claim, calls)
            reached("push.noted")

    def _is_news(self, call: ListCall) -> bool:
        """Whether our copy of Dext's list has to be read again: most of a full push is known there."""
        if not self._claim.full:
            return True
        with self._services.database.reading() as tx:
            scope, shape = tx.scope(self._claim.organisation_id), self._services.shape(f"dext.{call.kind}")
            return is_news(call, listed(scope, shape))

    def _plan_again(self, tx: Transaction, call: ListCall, error: ConnectorError) -> None:
        """This call comes to nothing: its entries are looked at anew, in a call of another key."""
        self._failed = self._failed or error
        list_calls.forget(tx, [call.id])
        feeds.advance(tx, self._claim.feed_id, full=False, cursor={}, newest_at=None)


def _trouble(call: ListCall, job: ListPushJob, now: datetime) -> TransientError | None:
    if job.status == "failed" and not job.rejected:
        return TransientError(
            f"Dext could not take our {call.kind}, and does not say why. They are sent again by itself.",
            code="push_failed",
        )
    if not job.ended and call.sent_at is not None and now - call.sent_at > LONGEST_JOB:
        return TransientError(
            f"Dext has been at work on our {call.kind} for more than an hour. They are sent again by itself.",
            code="push_lost",
        )
    return None


def settle(tx: Transaction, claim: Claim, call: ListCall, job: ListPushJob) -> dict[str, int]:
    """Store what Dext took and what it refused; returns how many of each, by a run's counters."""
    sent = {entry.external_id: entry for entry in map(read, call.texts)}
    refused = {one.external_id: one for one in job.rejected if one.external_id in sent}
    taken = {key: Taken(written(entry), entry.active) for key, entry in sent.items() if key not in refused}
    if call.mode == "replace" and job.status != "failed":
        for key, text in list_entries.active(tx, claim.feed_id, call.kind).items():
            if key not in sent:  # what a whole list leaves out is archived there
                taken[key] = Taken(written(replace(read(text), active=False)), active=False)
    list_entries.take(
        tx, organisation_id=claim.organisation_id, feed_id=claim.feed_id, kind=call.kind, entries=taken
    )
    rejects.accept(tx, claim.feed_id, [reject_id(call.kind, key) for key in taken])
    rejects.keep(
        tx,
        [_refused(call.kind, written(sent[key]), one) for key, one in refused.items()],
        feed_id=claim.feed_id,
        organisation_id=claim.organisation_id,
        run_id=claim.run_id,
    )
    withdrawn = sum(not one.active for one in taken.values())
    return {"changed": len(taken) - withdrawn, "archived": withdrawn, "rejected": len(refused)}


def reject_id(kind: str, external_id: str) -> str:
    """How an entry that Dext refused is kept: one contact may be a supplier and a customer."""
    return f"{kind}/{external_id}"


def _refused(kind: str, text: str, one: RejectedEntry) -> Refused:
    return Refused(
        reject_id(kind, one.external_id), text, one.message or one.code or "Dext does not say why."
    )
