"""A decision reaches Xero exactly once, or says plainly why it does not."""

import json
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from config import points
from config.decisions import KINDS, LARGEST_FILE
from store import decisions, events, organisations, pushes
from store.decisions import CannotDecideError, File, Push
from store.models import decisions as decision_rows
from store.pushes import PUSHES_PER_CONNECTION
from store.runs import LeaseLostError
from store.withdrawals import withdraw
from sync.judging import FORGOTTEN, KNOWN
from sync.pushing import push
from sync.stops import Outcome
from tasks.enqueue import SyncRefusedError
from tests.integration.engine import Engine
from tests.integration.papers import Papers

INVOICES = "xero.invoices"
STATUSES = {
    "bill": "DRAFT SUBMITTED AUTHORISED VOIDED DELETED",
    "sales_invoice": "DRAFT SUBMITTED AUTHORISED VOIDED DELETED",
    "credit_note": "DRAFT SUBMITTED AUTHORISED VOIDED DELETED",
    "purchase_order": "DRAFT SUBMITTED AUTHORISED BILLED DELETED",
    "quote": "DRAFT SENT ACCEPTED DECLINED INVOICED DELETED",
}


@pytest.fixture
def papers(shared_engine: Engine) -> Papers:
    """The smallest organisation, beside another one."""
    mine, _ = shared_engine.connect(resources=[INVOICES], which=[1, 3])
    return Papers(shared_engine, mine)


def pushed(papers: Papers, kind: str, document: str, decision: str, **more: Any) -> decisions.DecisionLine:
    """Decide, and work on it as far as it goes now."""
    message = papers.engine.decide(papers.slug, kind, document, decision, **more)
    papers.engine.work([message])
    return papers.engine.decision(papers.slug, message.id)


def writes(papers: Papers, after: int) -> list[dict[str, Any]]:
    """What was sent to change something."""
    return [call for call in papers.engine.sandbox.calls(after) if call["method"] != "GET"]


def again(papers: Papers, *, later: timedelta = timedelta(minutes=6)) -> list[Outcome]:
    """Time passes here, and beat wakes what waits."""
    papers.engine.services.database.clock_offset += later
    messages = [message for message in papers.engine.tick() if message.lane == "push"]
    return papers.engine.work(messages)


@pytest.mark.parametrize("kind", KINDS)
def test_each_decision_comes_to_what_its_table_says_from_each_status(
    shared_engine: Engine, kind: str
) -> None:
    [slug] = shared_engine.connect(resources=[KINDS[kind].resource], which=[3])
    papers = Papers(shared_engine, slug)
    cases = [
        (name, status, papers.made(kind, status)[0])
        for name in KINDS[kind].ways
        for status in STATUSES[kind].split()
    ]
    papers.read(kind)

    for name, status, document in cases:
        way = KINDS[kind].ways[name]
        if status not in way.allowed_from | way.done:
            with pytest.raises(CannotDecideError, match=f"that is {status} cannot be decided on so"):
                shared_engine.decide(slug, kind, document, name)
            assert papers.applied(document) == {}
            continue

        line = pushed(papers, kind, document, name)

        sends = status in way.allowed_from and way.status is not None
        assert (line.outcome, line.finished, line.error) == ("confirmed", True, None), (name, status)
        assert papers.applied(document) == ({way.status: 1} if sends else {}), (name, status)
        expected = way.status if sends else status
        assert papers.there(kind, document)["Status"] == expected == line.found_status
        assert papers.stored(kind, document) == papers.there(kind, document)


def test_an_order_that_is_sent_back_may_bear_a_mark_in_its_reference(shared_engine: Engine) -> None:
    [slug] = shared_engine.connect(resources=["xero.purchase_orders"], which=[3])
    papers = Papers(shared_engine, slug)
    [plain] = papers.made("purchase_order", Reference="Job 7")
    [marked] = papers.made("purchase_order", Reference="Job 8")
    papers.read("purchase_order")
    after = shared_engine.sandbox.last_call()

    unmarked = pushed(papers, "purchase_order", plain, "send_back")
    assert writes(papers, after) == []
    shared_engine.sandbox.faults("lost_answer", endpoint="PurchaseOrders", method="POST")
    line = pushed(papers, "purchase_order", marked, "send_back", mark_reference=True)

    assert (unmarked.outcome, line.outcome) == ("confirmed", "confirmed")
    [sent] = writes(papers, after)
    assert json.loads(sent["body"]) == {"PurchaseOrderID": marked, "Reference": "Rejected Job 8"}
    assert papers.there("purchase_order", marked)["Status"] == "SUBMITTED"
    assert papers.stored("purchase_order", marked)["Reference"] == "Rejected Job 8"
    with pytest.raises(CannotDecideError, match="only where Xero has no status"):
        shared_engine.decide(slug, "purchase_order", plain, "approve", mark_reference=True)


def test_only_id_and_status_are_sent_under_the_decisions_own_key(papers: Papers) -> None:
    document = papers.one("bill")
    after = papers.engine.sandbox.last_call()

    line = pushed(papers, "bill", document, "approve")

    calls = papers.engine.sandbox.calls(after)
    assert [(call["method"], call["path"].rpartition("/")[2]) for call in calls] == [
        ("GET", document),
        ("POST", document),
        ("GET", document),
    ]
    assert json.loads(calls[1]["body"]) == {"InvoiceID": document, "Status": "AUTHORISED"}
    assert calls[1]["key"] == f"approval:{line.id}:AUTHORISED"


def test_an_answer_lost_after_the_work_is_looked_for_and_not_sent_again(papers: Papers) -> None:
    document = papers.one("bill")
    papers.engine.sandbox.faults("lost_answer", endpoint="Invoices", method="POST")
    after = papers.engine.sandbox.last_call()

    line = pushed(papers, "bill", document, "approve")

    assert (line.outcome, line.finished) == ("confirmed", True)
    assert papers.applied(document) == {"AUTHORISED": 1}
    assert len(writes(papers, after)) == 1


def test_whoever_dies_after_the_work_leaves_it_to_be_found(papers: Papers) -> None:
    document = papers.one("bill")
    message = papers.engine.decide(papers.slug, "bill", document, "approve")
    papers.engine.sandbox.faults("lost_answer", endpoint="Invoices", method="POST", count=1)
    papers.engine.sandbox.faults("status", status=503, endpoint="Invoices", method="GET", skip=1, count=3)
    after = papers.engine.sandbox.last_call()

    [outcome] = papers.engine.work([message])
    between = papers.engine.decision(papers.slug, message.id)
    [confirmed] = again(papers)

    assert (outcome.state, between.outcome, between.reason) == ("snoozed", "sent", "back-off")
    assert (confirmed.state, papers.applied(document)) == ("confirmed", {"AUTHORISED": 1})
    assert len(writes(papers, after)) == 1


def test_while_xero_remembers_an_error_the_key_is_sent_again_in_vain_and_then_anew(papers: Papers) -> None:
    document = papers.one("bill")
    papers.engine.sandbox.faults("status", status=500, endpoint="Invoices", method="POST")
    after = papers.engine.sandbox.last_call()

    first = pushed(papers, "bill", document, "approve")
    [remembered] = again(papers, later=timedelta(seconds=30))
    [between] = again(papers, later=KNOWN - timedelta(seconds=20))
    sent_before = len(writes(papers, after))
    papers.engine.sandbox.advance(FORGOTTEN.total_seconds())
    [outcome] = again(papers, later=FORGOTTEN - KNOWN + timedelta(seconds=10))

    assert (first.outcome, first.error_code, first.attempts) == ("sent", "unclear", 1)
    assert (remembered.state, between.state, sent_before) == ("snoozed", "snoozed", 2)
    assert (outcome.state, papers.applied(document)) == ("confirmed", {"AUTHORISED": 1})
    assert {call["key"] for call in writes(papers, after)} == {f"approval:{first.id}:AUTHORISED"}


def test_what_never_gets_a_clear_answer_costs_some_calls_a_day_and_asks_for_a_person(papers: Papers) -> None:
    document = papers.one("bill")
    papers.engine.sandbox.faults("status", status=500, endpoint="Invoices", method="POST", count=10**6)
    message = papers.engine.decide(papers.slug, "bill", document, "approve")
    papers.engine.work([message])
    with papers.engine.services.database.transaction() as tx:
        tx.execute(update(decision_rows).values(attempts=12))  # since an hour

    again(papers, later=timedelta(hours=1))

    line = papers.engine.decision(papers.slug, message.id)
    with papers.engine.services.database.reading() as tx:
        left = line.until - tx.now if line.until else timedelta(0)
    assert (line.outcome, line.reason, line.attempts) == ("sent", "needs attention", 13)
    assert timedelta(minutes=29) < left <= timedelta(hours=1)


def test_a_look_that_is_refused_says_nothing_of_what_went_out(papers: Papers) -> None:
    document = papers.one("bill")
    papers.engine.sandbox.faults("lost_answer", endpoint="Invoices", method="POST")
    papers.engine.sandbox.faults("status", status=400, endpoint="Invoices", method="GET", skip=1)

    line = pushed(papers, "bill", document, "approve")
    [outcome] = again(papers)

    assert (line.outcome, line.reason) == ("sent", "back-off")
    assert (outcome.state, papers.applied(document)) == ("confirmed", {"AUTHORISED": 1})


def test_what_somebody_did_between_our_look_and_our_call_is_no_refusal(papers: Papers) -> None:
    document = papers.one("bill")
    newest = told(papers)[-1].sequence

    def meanwhile(point: str) -> None:
        if point == "decision.sending":
            fields = {"Status": "DELETED"}
            papers.engine.sandbox.edit(papers.tenant, INVOICES, ids=[document], fields=fields)

    points.watch(meanwhile)
    try:
        line = pushed(papers, "bill", document, "reject")
    finally:
        points.watch(None)

    assert (line.outcome, line.found_status, line.error) == ("confirmed", "DELETED", None)
    assert papers.applied(document) == {}
    assert [event.decision for event in told(papers, newest)] == [None]


def test_no_conflict_is_settled_while_our_call_may_still_be_under_way(papers: Papers) -> None:
    slow, lost = papers.made("bill", count=2)
    papers.read("bill")
    sandbox = papers.engine.sandbox
    sandbox.faults("status", status=500, endpoint="Invoices", method="POST", count=2)
    lines = {name: pushed(papers, "bill", name, "approve") for name in (slow, lost)}
    for name in (slow, lost):
        sandbox.edit(papers.tenant, INVOICES, ids=[name], fields={"Reference": "by others"})

    looked = again(papers, later=timedelta(seconds=30))
    between = papers.engine.decision(papers.slug, lines[lost].id)
    sandbox.edit(papers.tenant, INVOICES, ids=[slow], fields={"Status": "AUTHORISED"})  # it arrives
    again(papers, later=timedelta(seconds=30))
    again(papers, later=FORGOTTEN)

    assert [outcome.state for outcome in looked] == ["snoozed", "snoozed"]
    assert (between.outcome, between.error_code) == ("sent", "under_way")
    outcomes = [papers.engine.decision(papers.slug, lines[name].id).outcome for name in (slow, lost)]
    assert outcomes == ["confirmed", "conflict"]


def test_what_the_approver_did_not_see_is_a_conflict_that_shows_both_sides(papers: Papers) -> None:
    edited, voided, gone = papers.made("bill", count=3)
    papers.read("bill")
    sandbox = papers.engine.sandbox
    sandbox.edit(papers.tenant, INVOICES, ids=[edited], fields={"Reference": "another amount, perhaps"})
    sandbox.edit(papers.tenant, INVOICES, ids=[voided], fields={"Status": "DELETED"})
    sandbox.edit(papers.tenant, INVOICES, "remove", ids=[gone])
    after = sandbox.last_call()

    lines = {name: pushed(papers, "bill", name, "approve", note="x") for name in (edited, voided, gone)}

    assert writes(papers, after) == []
    assert {line.outcome for line in lines.values()} == {"conflict"}
    line = lines[voided]
    assert (line.seen_status, line.found_status) == ("SUBMITTED", "DELETED")
    assert line.seen_modified_at is not None
    assert line.found_modified_at is not None
    assert line.found_modified_at > line.seen_modified_at
    assert "was SUBMITTED" in str(line.error)
    assert "now it is DELETED" in str(line.error)
    assert (lines[edited].found_status, line.mended_by) == ("SUBMITTED", "the approver")
    assert "not there any more" in str(lines[gone].error)
    assert [step.state for step in line.steps] == ["skipped"]
    # What was looked at is stored, so the next approver sees it.
    assert papers.stored("bill", voided)["Status"] == "DELETED"
    assert pushed(papers, "bill", edited, "approve").outcome == "confirmed"


def test_what_somebody_did_already_is_confirmed_and_nothing_is_sent(papers: Papers) -> None:
    document = papers.one("bill")
    papers.engine.sandbox.edit(papers.tenant, INVOICES, ids=[document], fields={"Status": "PAID"})
    after = papers.engine.sandbox.last_call()

    line = pushed(papers, "bill", document, "approve")

    assert (line.outcome, line.found_status, writes(papers, after)) == ("confirmed", "PAID", [])


def test_a_refusal_says_xeros_words_what_to_do_and_who_does_it(papers: Papers) -> None:
    limited, hidden, odd = papers.made("bill", count=3)
    papers.read("bill")
    sandbox = papers.engine.sandbox
    sandbox.refuse(papers.tenant, limited, "You have reached the limit of invoices you can approve")

    line = pushed(papers, "bill", limited, "approve", note="never sent")
    # The refused element bears the status that was asked for.
    told = {"InvoiceID": hidden, "Status": "AUTHORISED", "HasErrors": True}
    told |= {"ValidationErrors": [{"Message": "Account code '200' has been archived, or deleted"}]}
    body = json.dumps({"Status": "OK", "Invoices": [told]})
    sandbox.faults("status", status=200, body=body, endpoint="Invoices", method="POST")
    inside = pushed(papers, "bill", hidden, "approve")
    sandbox.faults("status", status=400, body="?", endpoint="Invoices", method="POST")
    ours = pushed(papers, "bill", odd, "approve")

    assert (line.outcome, line.error_code, line.finished) == ("refused", "plan_limit", True)
    assert line.provider_words == "You have reached the limit of invoices you can approve"
    assert (line.mended_by, line.steps[0].state) == ("the subscriber of the Xero plan", "skipped")
    assert (inside.outcome, inside.error_code) == ("refused", "account_archived")
    assert (ours.outcome, ours.error_code) == ("refused", "request_refused")
    assert again(papers) == []  # nothing is tried again by itself
    assert papers.applied(limited) == papers.applied(hidden) == {}
    sandbox.calm()
    sandbox.limits(minute=100_000)
    assert pushed(papers, "bill", limited, "approve").outcome == "confirmed"


def test_note_and_files_follow_each_once_however_their_answers_are_lost(papers: Papers) -> None:
    document = papers.one("bill", HasAttachments=False)
    files = [File("invoice.pdf", "application/pdf", b"%PDF-1"), File("audit.txt", "text/plain", b"all of it")]
    papers.engine.sandbox.faults("lost_answer", endpoint="Invoices", method="PUT", count=3)

    line = pushed(papers, "bill", document, "approve", note="Approved by A. Smith", files=files)
    assert (line.outcome, line.finished, line.reason) == ("confirmed", False, "back-off")
    assert [step.state for step in line.steps] == ["waiting"] * 3
    [_], [_], [outcome] = again(papers), again(papers), again(papers)

    line = papers.engine.decision(papers.slug, line.id)
    assert (outcome.state, line.finished, line.reason) == ("confirmed", True, None)
    assert papers.notes(document) == [f"Approved by A. Smith [decision {line.id}]"]
    assert papers.files(document) == ["invoice.pdf", "audit.txt"]
    assert papers.applied(document) == {"AUTHORISED": 1}
    assert papers.stored("bill", document)["HasAttachments"] is True


def test_what_goes_wrong_beside_a_decision_neither_undoes_nor_hides_it(papers: Papers) -> None:
    document = papers.one("bill")
    url = f"/api.xro/2.0/Invoices/{document}/Attachments/taken.pdf"
    token = papers.engine.sandbox.access_token(papers.tenant)
    headers = {"Authorization": f"Bearer {token}", "xero-tenant-id": papers.tenant}
    papers.engine.sandbox.call("PUT", url, headers, b"somebody else's")
    papers.read("bill")
    files = [File("taken.pdf", "application/pdf", b"ours"), File("free.txt", "text/plain", b"ours")]
    papers.engine.sandbox.faults("status", status=503, endpoint="Invoices", method="PUT", count=1)

    line = pushed(papers, "bill", document, "approve", note="Approved", files=files)
    between = [(step.what, step.name, step.state) for step in line.steps]
    again(papers)
    line = papers.engine.decision(papers.slug, line.id)

    # A call may hang: whatever fails ends the round, and next time another one is the first.
    assert {state for _, _, state in between} == {"waiting"}
    assert (line.outcome, line.finished, line.steps[0].state) == ("confirmed", True, "done")
    assert "Another file named taken.pdf" in str(line.steps[1].error)
    assert papers.files(document) == ["taken.pdf", "free.txt"]


def test_our_own_change_is_known_as_ours_whoever_reads_it_first(papers: Papers) -> None:
    one, other = papers.made("bill", count=2)
    papers.read("bill")
    newest = told(papers)[-1].sequence
    mine = pushed(papers, "bill", one, "reject")
    papers.read("bill")  # finds it unchanged
    message = papers.engine.decide(papers.slug, "bill", other, "approve")
    papers.engine.sandbox.faults("status", status=404, endpoint="Invoices", method="GET", skip=1)
    papers.engine.work([message])  # it stands, and nobody could store it
    papers.read("bill")
    papers.engine.sandbox.edit(papers.tenant, INVOICES, ids=[one])
    papers.read("bill")

    after = [(event.kind, event.ids, event.decision) for event in told(papers, newest)]

    assert after == [
        ("archived", (one,), mine.id),
        ("changed", (other,), message.id),
        ("changed", (one,), None),
    ]


def test_our_own_change_is_known_as_ours_though_its_answer_was_lost(papers: Papers) -> None:
    looked, read = papers.made("bill", count=2)
    papers.read("bill")
    newest = told(papers)[-1].sequence
    sandbox = papers.engine.sandbox
    sandbox.faults("lost_answer", endpoint="Invoices", method="POST", count=2)
    by_look = pushed(papers, "bill", looked, "approve")
    sandbox.faults("status", status=503, endpoint="Invoices", method="GET", skip=1, count=3)
    by_read = pushed(papers, "bill", read, "approve")
    papers.read("bill")  # before anybody could look what became of it
    sandbox.edit(papers.tenant, INVOICES, ids=[read])
    [confirmed] = again(papers)  # finds what somebody else left

    assert (by_read.outcome, confirmed.state) == ("sent", "confirmed")
    assert [(event.kind, event.ids, event.decision) for event in told(papers, newest)] == [
        ("changed", (looked,), by_look.id),
        ("changed", (read,), by_read.id),
        ("changed", (read,), None),
    ]


def test_a_file_of_ours_is_no_change_of_somebody_elses_and_hides_none(papers: Papers) -> None:
    document = papers.one("bill", HasAttachments=False)
    newest = told(papers)[-1].sequence
    sandbox = papers.engine.sandbox
    sandbox.faults("status", status=503, endpoint="Invoices", method="PUT")
    line = pushed(papers, "bill", document, "approve", files=[File("a.txt", "text/plain", b"a")])
    sandbox.faults("status", status=503, endpoint="Invoices", method="GET", skip=1, count=3)
    again(papers)  # attaches it, and cannot look
    papers.read("bill")
    sandbox.edit(papers.tenant, INVOICES, ids=[document])
    [ended] = again(papers)

    assert (ended.state, papers.files(document)) == ("confirmed", ["a.txt"])
    assert [event.decision for event in told(papers, newest)] == [line.id, line.id, None]


def told(papers: Papers, after: int = 0) -> list[events.Event]:
    with papers.engine.services.database.reading() as tx:
        organisation = organisations.find(tx, papers.slug)
        return list(events.read(tx.scope(organisation.id), after=after))


def test_the_key_of_the_caller_makes_one_decision_of_many(papers: Papers) -> None:
    document, other = papers.made("bill", count=2)
    papers.read("bill")

    first = papers.engine.decide(papers.slug, "bill", document, "approve", idempotency_key="k")
    repeated = papers.engine.decide(papers.slug, "bill", document, "approve", idempotency_key="k")
    with pytest.raises(CannotDecideError, match="on its way to Xero already"):
        papers.engine.decide(papers.slug, "bill", document, "reject")
    with pytest.raises(CannotDecideError, match="was used for another decision"):
        papers.engine.decide(papers.slug, "bill", other, "approve", idempotency_key="k")
    papers.engine.work([first, first, repeated])

    assert repeated.id == first.id
    assert papers.applied(document) == {"AUTHORISED": 1}
    assert papers.engine.decide(papers.slug, "bill", document, "void").id != first.id


def test_what_makes_no_sense_is_refused_in_a_sentence(papers: Papers) -> None:
    document = papers.one("bill")
    with pytest.raises(CannotDecideError, match=r"No bill nobody is stored here"):
        papers.engine.decide(papers.slug, "bill", "nobody", "approve")
    with pytest.raises(CannotDecideError, match="is no sales invoice: its type is ACCPAY"):
        papers.engine.decide(papers.slug, "sales_invoice", document, "approve")
    for flaw, words in (
        ({"kind": "letter"}, "'letter' is no kind"),
        ({"decision": "forget"}, "'forget' is no decision"),
        ({"note": ""}, "A note must be a text of 1 to 2500"),
        ({"seen_modified_at": "2026-01-01"}, "needs its status"),
        ({"seen_status": "SUBMITTED", "seen_modified_at": "yesterday"}, "'yesterday' is no time"),
        ({"files": [File("a", "b", b"")]}, "must have 1 byte to 10 MiB"),
        ({"files": [File("a", "b", bytes(LARGEST_FILE + 1))]}, "must have 1 byte to 10 MiB"),
        ({"files": [File("a/b", "c", b"d")]}, "is no name for a file"),
        ({"files": [File("a", "b", b"c")] * 2}, "have the same name"),
        ({"idempotency_key": "\0"}, "a character in it"),
    ):
        asked = {"kind": "bill", "decision": "approve"} | flaw
        with pytest.raises(SyncRefusedError, match=words):
            papers.engine.decide(papers.slug, asked.pop("kind"), document, asked.pop("decision"), **asked)


def test_what_the_approver_saw_may_be_told_by_the_caller(papers: Papers) -> None:
    unread, older = papers.made("bill", count=2)
    stamps = {name: papers.there("bill", name)["UpdatedDateUTCString"] for name in (unread, older)}

    seen = {"seen_status": "SUBMITTED", "seen_modified_at": stamps[unread].removesuffix("Z")}
    line = pushed(papers, "bill", unread, "approve", **seen)
    stale = {"seen_status": "SUBMITTED", "seen_modified_at": "2020-01-01T00:00:00Z"}
    conflict = pushed(papers, "bill", older, "approve", **stale)

    assert (line.outcome, conflict.outcome) == ("confirmed", "conflict")


def test_a_status_alone_is_compared_with_what_is_stored_of_the_document(papers: Papers) -> None:
    edited, same, other = papers.made("bill", count=3)
    papers.read("bill")
    papers.engine.sandbox.edit(papers.tenant, INVOICES, ids=[edited], fields={"Reference": "another"})

    lines = [pushed(papers, "bill", name, "approve", seen_status="SUBMITTED") for name in (edited, same)]

    assert [line.outcome for line in lines] == ["conflict", "confirmed"]
    with pytest.raises(CannotDecideError, match="is SUBMITTED, not DRAFT"):
        papers.engine.decide(papers.slug, "bill", other, "approve", seen_status="DRAFT")


def test_a_decision_goes_out_when_the_days_reading_budget_is_gone(papers: Papers) -> None:
    document = papers.one("bill")
    sandbox = papers.engine.sandbox
    used = next(iter(sandbox.limits()["tenants"].values()))
    assert used
    sandbox.limits(papers.tenant, day=100_000, minute=100_000)
    sandbox.spend(papers.tenant, 100_000 - sandbox.limits()["tenants"][papers.tenant]["day_used"] - 5)
    papers.engine.sync(papers.slug, INVOICES)  # learns by the headers that all but nothing is left
    [refused] = papers.engine.sync(papers.slug, INVOICES)

    line = pushed(papers, "bill", document, "approve")

    assert (refused.state, refused.reason) == ("snoozed", "day reserve")
    assert (line.outcome, papers.applied(document)) == ("confirmed", {"AUTHORISED": 1})


def test_on_a_dead_grant_a_decision_waits_and_looks_again_after_the_reconnect(papers: Papers) -> None:
    first, second = papers.made("bill", count=2)
    papers.read("bill")
    services, sandbox = papers.engine.services, papers.engine.sandbox
    sandbox.faults("tenant_removed", tenant=papers.tenant)
    messages = [papers.engine.decide(papers.slug, "bill", name, "approve") for name in (first, second)]

    outcomes = papers.engine.work(messages)
    waiting = [papers.engine.decision(papers.slug, message.id) for message in messages]
    assert again(papers, later=timedelta(hours=3)) == []
    sandbox.clear_faults()
    sandbox.edit(papers.tenant, INVOICES, ids=[second])
    with services.database.transaction() as tx:
        [link] = organisations.links(tx, organisations.find(tx, papers.slug).id)
        organisations.connect(
            tx,
            provider="xero",
            name=papers.slug,
            tenant_id=papers.tenant,
            grant_id=link.grant_id,
            cadences={},
            actor="test",
        )
    again(papers, later=timedelta(seconds=1))

    assert {outcome.reason for outcome in outcomes} == {"access removed"}
    assert {(line.outcome, line.reason, line.until) for line in waiting} == {
        ("waiting", "access removed", None)
    }
    assert papers.engine.decision(papers.slug, messages[0].id).outcome == "confirmed"
    assert papers.engine.decision(papers.slug, messages[1].id).outcome == "conflict"


def test_a_right_that_is_given_in_xero_is_found_within_the_hour(papers: Papers) -> None:
    document = papers.one("bill")
    papers.engine.sandbox.faults("scope", endpoint="Invoices", tenant=papers.tenant)
    line = pushed(papers, "bill", document, "approve")
    papers.engine.sandbox.clear_faults()

    assert again(papers, later=timedelta(minutes=50)) == []
    [outcome] = again(papers, later=timedelta(minutes=11))

    assert (line.outcome, line.reason) == ("waiting", "permission missing")
    assert (outcome.state, papers.applied(document)) == ("confirmed", {"AUTHORISED": 1})


def test_what_waits_can_be_withdrawn_and_its_document_decided_anew(papers: Papers) -> None:
    document, sent = papers.made("bill", count=2)
    papers.read("bill")
    other = next(slug for slug in papers.engine.tenants if slug != papers.slug)
    database = papers.engine.services.database
    papers.engine.sandbox.faults("scope", endpoint="Invoices", tenant=papers.tenant)
    message = papers.engine.decide(papers.slug, "bill", document, "approve", note="never")
    papers.engine.work([message])
    papers.engine.sandbox.clear_faults()
    papers.engine.sandbox.faults("status", status=500, endpoint="Invoices", method="POST")
    out = pushed(papers, "bill", sent, "approve")

    with pytest.raises(LookupError), database.transaction() as tx:
        withdraw(tx, organisations.find(tx, other).id, message.id, by="test")
    with database.transaction() as tx:
        withdraw(tx, organisations.find(tx, papers.slug).id, message.id, by="test")
    with pytest.raises(CannotDecideError, match="It is sent"), database.transaction() as tx:
        withdraw(tx, organisations.find(tx, papers.slug).id, out.id, by="test")
    instead = pushed(papers, "bill", document, "reject")
    again(papers, later=timedelta(hours=2))

    line = papers.engine.decision(papers.slug, message.id)
    assert (line.outcome, line.finished, line.steps[0].state) == ("withdrawn", True, "skipped")
    assert (instead.outcome, papers.applied(document)) == ("confirmed", {"DELETED": 1})


def test_files_that_hang_hold_up_neither_one_another_nor_a_new_decision(papers: Papers) -> None:
    with_files, *new = papers.made("bill", count=4, HasAttachments=False)
    papers.read("bill")
    sandbox = papers.engine.sandbox
    sandbox.faults("status", status=503, endpoint="Invoices", method="PUT", count=3)
    files = [File(f"{number}.txt", "text/plain", b"x") for number in range(3)]
    after = sandbox.last_call()

    line = pushed(papers, "bill", with_files, "approve", files=files)
    asked = [call["path"] for call in writes(papers, after) if call["method"] == "PUT"]
    papers.engine.services.database.clock_offset += timedelta(minutes=1)
    waiting = [papers.engine.decide(papers.slug, "bill", name, "approve").id for name in new]
    with papers.engine.services.database.transaction() as tx:
        tx.execute(update(decision_rows).values(published_at=None))
    sent = [message.id for message in papers.engine.tick() if message.lane == "push"]
    papers.engine.work([Push(each, 1) for each in sent])
    again(papers)
    again(papers)
    tried = [call["path"].rpartition("/")[2] for call in writes(papers, after) if call["method"] == "PUT"]

    assert len(asked) == 1
    assert set(sent) == set(waiting)
    assert tried[:3] == ["0.txt", "1.txt", "2.txt"]
    assert papers.engine.decision(papers.slug, line.id).outcome == "confirmed"


def test_a_connection_never_has_more_decisions_under_way_than_its_places(papers: Papers) -> None:
    documents = papers.made("bill", count=PUSHES_PER_CONNECTION + 1)
    papers.read("bill")
    messages = [papers.engine.decide(papers.slug, "bill", name, "approve") for name in documents]
    database = papers.engine.services.database
    claims = [papers.engine.claim_push(message) for message in messages[:-2]]
    with ThreadPoolExecutor() as pool:
        with database.transaction() as tx:
            claims.append(pushes.claim(tx, messages[-2].id, 1))
            one_more = pool.submit(papers.engine.claim_push, messages[-1])
            # It waits for this one to be committed; without that it would come to its end at once.
            done, _ = futures.wait([one_more], timeout=1)
        assert one_more.result() is None

    assert (all(claims), done) == (True, set())


def test_a_lost_message_is_sent_again_and_a_lost_worker_is_followed(papers: Papers) -> None:
    one, other = papers.made("bill", count=2)
    papers.read("bill")
    lost = papers.engine.decide(papers.slug, "bill", one, "approve")
    message = papers.engine.decide(papers.slug, "bill", other, "approve")
    claim = papers.engine.claim_push(message)
    assert papers.engine.claim_push(message) is None  # a second copy finds nothing to take

    at_once = [message for message in papers.engine.tick() if message.lane == "push"]
    papers.engine.services.database.clock_offset += timedelta(minutes=1)
    later = [message for message in papers.engine.tick() if message.lane == "push"]
    papers.engine.work(later)

    assert claim is not None
    assert at_once == []
    assert {(message.id, message.slice) for message in later} == {(lost.id, 1), (claim.id, 2)}
    assert papers.applied(one) == papers.applied(other) == {"AUTHORISED": 1}


def test_no_organisation_sees_or_decides_about_anothers_documents(papers: Papers) -> None:
    document = papers.one("bill")
    other = next(slug for slug in papers.engine.tenants if slug != papers.slug)
    message = papers.engine.decide(papers.slug, "bill", document, "approve", idempotency_key="same")

    with pytest.raises(CannotDecideError, match="is stored here"):
        papers.engine.decide(other, "bill", document, "approve", idempotency_key="same")
    with pytest.raises(LookupError):
        papers.engine.decision(other, message.id)
    with papers.engine.services.database.reading() as tx:
        assert decisions.lines(tx.scope(organisations.find(tx, other).id)) == []
        [line] = decisions.lines(tx.scope(organisations.find(tx, papers.slug).id))
    assert line.id == message.id


def test_who_lost_the_lease_sends_nothing_more(papers: Papers) -> None:
    document = papers.one("bill")
    message = papers.engine.decide(papers.slug, "bill", document, "approve")
    claim = papers.engine.claim_push(message)
    with papers.engine.services.database.transaction() as tx:
        tx.execute(update(decision_rows).values(state="queued", slice=2))
    after = papers.engine.sandbox.last_call()

    assert claim is not None
    with pytest.raises(LeaseLostError):
        push(papers.engine.services, claim)

    assert writes(papers, after) == []
