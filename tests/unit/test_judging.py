"""What a look at a document says of a decision, whatever its kind and status; and what refusals mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.decisions import KINDS, LONGEST_REFERENCE
from connectors.errors import InvalidError, RejectedError
from connectors.xero.deciding import Document
from connectors.xero.refusals import explain
from store.pushes import PushClaim
from store.records import Destination
from sync.judging import FORGOTTEN, KNOWN, Verdict, begins_anew, judge, marked, must_wait

NOW = datetime(2026, 9, 14, 9, 30, 0, 123_000, tzinfo=UTC)
EVERY = [
    "DRAFT",
    "SUBMITTED",
    "AUTHORISED",
    "PAID",
    "BILLED",
    "VOIDED",
    "DELETED",
    "SENT",
    "ACCEPTED",
    "DECLINED",
]


def claim(kind: str, decision: str, seen: str, *, mark: bool = False) -> PushClaim:
    """A decision about a document that the approver saw in this status, an hour before."""
    return PushClaim(
        id="d",
        slice=1,
        fence=1,
        lease=timedelta(seconds=45),
        destination=Destination("o", "c", "f", KINDS[kind].resource, 1),
        kind=kind,
        document_id="x",
        decision=decision,
        wanted=KINDS[kind].ways[decision].status,
        mark_reference=mark,
        seen_status=seen,
        seen_modified_at=NOW,
        seen_hash="as seen",
        outcome="waiting",
        sent_at=None,
        claimed_at=NOW,
        attempts=0,
    )


def document(kind: str, status: str, *, modified_at: datetime | None = NOW, reference: str = "") -> Document:
    return Document(status, KINDS[kind].type, reference, modified_at, "as seen")


CASES = [(kind, decision) for kind in KINDS for decision in KINDS[kind].ways]


@given(case=st.sampled_from(CASES), found=st.sampled_from(EVERY), later=st.booleans(), data=st.data())
def test_it_is_sent_only_over_exactly_what_was_seen(
    case: tuple[str, str], found: str, later: bool, data: st.DataObject
) -> None:
    kind, decision = case
    way = KINDS[kind].ways[decision]
    seen = data.draw(st.sampled_from(sorted(way.allowed_from)))
    modified_at = NOW + timedelta(milliseconds=1) if later else NOW

    verdict = judge(
        claim(kind, decision, seen), document(kind, found, modified_at=modified_at), went_out=False
    )

    unchanged = found == seen and not later
    if found in way.done:
        assert verdict is Verdict.DONE
    elif not unchanged:
        assert verdict is Verdict.CONFLICT
    else:
        assert verdict is (Verdict.SEND if way.status else Verdict.DONE)


def test_whole_seconds_are_compared_as_such_and_hashes_only_without_a_time() -> None:
    seen = claim("bill", "approve", "SUBMITTED")
    on_the_second = replace(seen, seen_modified_at=NOW.replace(microsecond=0))
    by_seconds = replace(on_the_second, seen_hash=None)  # as a caller told it, who never saw our hash
    by_hash = replace(seen, seen_modified_at=None)
    there = document("bill", "SUBMITTED")

    assert judge(by_seconds, there, went_out=False) is Verdict.SEND
    assert (
        judge(by_seconds, replace(there, modified_at=NOW + timedelta(seconds=1)), went_out=False)
        is Verdict.CONFLICT
    )
    assert judge(on_the_second, there, went_out=False) is Verdict.CONFLICT
    assert judge(seen, replace(there, hash="told a little more"), went_out=False) is Verdict.SEND
    assert judge(by_hash, there, went_out=False) is Verdict.SEND
    assert judge(by_hash, replace(there, hash="another"), went_out=False) is Verdict.CONFLICT
    assert judge(seen, replace(there, type="ACCREC"), went_out=False) is Verdict.CONFLICT


def test_a_mark_is_done_when_the_reference_bears_it() -> None:
    sent_back = claim("purchase_order", "send_back", "SUBMITTED", mark=True)

    before = document("purchase_order", "SUBMITTED", reference="Job 7")
    assert judge(sent_back, before, went_out=False) is Verdict.SEND
    moved = document("purchase_order", "SUBMITTED", modified_at=NOW + timedelta(1), reference=marked("Job 7"))
    assert judge(sent_back, moved, went_out=True) is Verdict.DONE
    # An old mark says nothing of this decision: neither of what others did since, nor of where it stands.
    assert judge(sent_back, moved, went_out=False) is Verdict.CONFLICT
    assert judge(sent_back, replace(moved, modified_at=NOW), went_out=False) is Verdict.DONE
    for went_out in (True, False):
        assert judge(sent_back, replace(moved, status="AUTHORISED"), went_out=went_out) is Verdict.CONFLICT
    assert marked("Job 7") == "Rejected Job 7"
    assert marked(None) == "Rejected"
    assert len(marked("x" * LONGEST_REFERENCE)) == LONGEST_REFERENCE


@pytest.mark.parametrize(
    ("age", "waits", "anew"),
    [
        (None, None, True),
        (timedelta(0), None, False),
        (KNOWN - timedelta(seconds=1), None, False),
        (KNOWN, FORGOTTEN - KNOWN, False),
        (FORGOTTEN - timedelta(seconds=1), timedelta(seconds=1), False),
        (FORGOTTEN, None, True),
        (timedelta(hours=10), None, True),
    ],
)
def test_nobody_sends_while_it_is_not_known_whether_the_key_counts(
    age: timedelta | None, waits: timedelta | None, anew: bool
) -> None:
    sent = replace(claim("bill", "approve", "SUBMITTED"), sent_at=None if age is None else NOW - age)

    assert must_wait(sent, NOW) == waits
    assert begins_anew(sent, NOW) is anew


# What Xero says, as published by products that approve documents there.
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Account code or ID must be specified", "account_missing"),
        ("Account code '610' is not a valid code for this document.", "account_unfit"),
        ("Account code '610' has been archived, or deleted", "account_archived"),
        ("Account code archived or deleted", "account_archived"),
        ("Item code 'ABC' is not valid", "item_gone"),
        ("Unknown tracking details", "tracking_unknown"),
        ("Contact has been archived", "contact_archived"),
        ("You have reached the limit of invoices you can approve", "plan_limit"),
        ("The document date cannot be before the period lock date, currently set at 30 Jun 2026", "locked"),
        ("Organisation is not subscribed to currency USD", "currency_missing"),
        ("it has payments or credit notes allocated to it.", "allocated"),
        ("This document cannot be edited as it has a payment or credit note allocated to it.", "allocated"),
        ("Invoice not of valid status for modification", "wrong_status"),
        ("PurchaseOrder status change is invalid", "wrong_status"),
        ("Deleted PurchaseOrders cannot be updated", "wrong_status"),
        ("Something new", "refused"),
    ],
)  # fmt: skip
def test_each_known_refusal_says_what_to_do_and_who_does_it(words: str, code: str) -> None:
    said = f"A validation exception occurred {words}"

    refusal, kept = explain(InvalidError("no", provider_words=said))

    assert (refusal.code, kept) == (code, words)
    assert refusal.sentence.endswith(".")
    assert refusal.mended_by


def test_what_xero_does_not_take_at_all_is_ours_to_mend() -> None:
    refusal, _ = explain(RejectedError("no", provider_words="k is used with a different request."))

    assert (refusal.code, refusal.mended_by) == ("request_refused", "the makers of Ledgertide")
