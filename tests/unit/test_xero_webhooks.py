"""Xero's webhooks, read without a network: whose they are, and what they tell."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.webhooks import NotUnderstoodError, SignatureError
from connectors.xero import webhooks

# Computed apart from this code: reference facts about Xero's signature.
KEY = "example-webhook-signing-key"
BODY = b'{"events":[],"firstEventSequence": 0,"lastEventSequence": 0, "entropy": "LUWDSUDGSWNZVALZXBEV"}'
SIGNATURE = "DekQM9LssoQU/VJZ7rpOdAJc1CbtmJf1XVGvYRemBZI="


def event(**changes: Any) -> dict[str, Any]:
    return {
        "tenantId": "tenant-1",
        "resourceId": "record-1",
        "eventCategory": "INVOICE",
        "eventType": "UPDATE",
        "eventDateUtc": "2026-06-27T10:15:00.123",
        "tenantType": "ORGANISATION",
    } | changes


def body(*events: Any, first: int = 7) -> bytes:
    last = first + len(events) - 1
    return json.dumps({"events": events, "firstEventSequence": first, "lastEventSequence": last}).encode()


def test_the_known_signature_of_a_known_body_is_right() -> None:
    assert webhooks.sign(BODY, KEY) == SIGNATURE
    assert webhooks.verify(BODY, SIGNATURE, [KEY])


@pytest.mark.parametrize(
    ("content", "signature"),
    [
        (BODY, "EekQM9LssoQU/VJZ7rpOdAJc1CbtmJf1XVGvYRemBZI="),  # one character, as Xero's own test does
        (BODY.replace(b": ", b":"), SIGNATURE),  # the same JSON, written anew
        (BODY, ""),
        (BODY, "é\ud800"),
    ],
)
def test_nothing_else_verifies(content: bytes, signature: str) -> None:
    with pytest.raises(SignatureError):
        webhooks.verify(content, signature, [KEY])


def test_without_a_key_nothing_verifies() -> None:
    with pytest.raises(SignatureError):
        webhooks.verify(BODY, webhooks.sign(BODY, ""), [])


def test_any_key_will_do_and_each_counts_by_itself() -> None:
    old, new = (webhooks.verify(BODY, webhooks.sign(BODY, key), ["new", "old"]) for key in ("old", "new"))

    assert old != new
    assert old == webhooks.verify(BODY, webhooks.sign(BODY, "old"), ["old"])
    assert not {"old", "new"} & {old, new}


def test_one_delivery_tells_of_several_organisations_and_lists() -> None:
    delivery = webhooks.read(
        body(event(), event(tenantId="tenant-2", eventCategory="CONTACT", eventType="CREATE")), "s"
    )

    assert delivery.numbers == ("s", 7, 8)
    assert [(each.tenant_id, each.resource, each.kind) for each in delivery.notices] == [
        ("tenant-1", "xero.invoices", "UPDATE"),
        ("tenant-2", "xero.contacts", "CREATE"),
    ]
    assert delivery.notices[0].happened_at == datetime(2026, 6, 27, 10, 15, 0, 123000, UTC)


def test_every_category_that_tells_of_a_list_of_ours_is_known() -> None:
    assert webhooks.RESOURCES == {
        "CONTACT": "xero.contacts",
        "INVOICE": "xero.invoices",
        "CREDITNOTE": "xero.credit_notes",
        "PREPAYMENT": "xero.prepayments",
        "OVERPAYMENT": "xero.overpayments",
    }


def test_what_tells_of_nothing_we_read_is_left_out_and_its_number_still_counts() -> None:
    odd: list[Any] = [
        event(eventCategory="SUBSCRIPTION", tenantType="APPLICATION"),
        event(eventCategory="HOROSCOPE"),
        event(tenantId=None),
        event(tenantId="nul\0"),
        event(resourceId="x" * 256),
        event(resourceId={"deep": 1}),
        "an event?",
        None,
    ]

    delivery = webhooks.read(body(*odd, event()), "s")

    assert [each.record_id for each in delivery.notices] == ["record-1"]
    assert delivery.numbers == ("s", 7, 15)


def test_the_same_event_has_the_same_key_and_no_other_has_it() -> None:
    def key(first: int = 7, **changes: Any) -> str:
        return webhooks.read(body(event(**changes), first=first), "s").notices[0].key

    other = {
        key(tenantId="tenant-2"),
        key(resourceId="record-2"),
        key(eventType="CREATE"),
        key(eventCategory="CONTACT"),
        key(eventDateUtc="2026-06-27T10:15:00.124"),
        # Twice in one second, as times without fractions show it: the second is no repetition.
        key(first=8),
    }

    assert key() == key()
    assert len(other | {key()}) == 7


@pytest.mark.parametrize("spelt", ["2026-06-27T10:15:00", "2026-06-27T10:15:00.000"])
def test_a_time_without_a_zone_is_utc_with_and_without_fractions(spelt: str) -> None:
    notice = webhooks.read(body(event(eventDateUtc=spelt)), "s").notices[0]

    assert notice.happened_at == datetime(2026, 6, 27, 10, 15, tzinfo=UTC)


def test_an_odd_time_is_no_reason_not_to_read() -> None:
    notice = webhooks.read(body(event(eventDateUtc=None)), "s").notices[0]

    assert (notice.record_id, notice.happened_at) == ("record-1", None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"events":{},"firstEventSequence":1,"lastEventSequence":1}',
        b'{"events":[{}],"firstEventSequence":true,"lastEventSequence":1}',
        b'{"events":[{}],"firstEventSequence":1,"lastEventSequence":99999999999999999999}',
        b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b',"firstEventSequence":1,"lastEventSequence":1}',
    ],
)
def test_what_is_no_delivery_says_so(content: bytes) -> None:
    with pytest.raises(NotUnderstoodError):
        webhooks.read(content, "s")


def test_a_question_whether_we_are_there_tells_nothing_and_has_no_number() -> None:
    delivery = webhooks.read(BODY, "s")

    assert (delivery.numbers, delivery.notices) == (None, ())
