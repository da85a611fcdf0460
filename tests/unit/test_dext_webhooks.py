"""Dext's webhooks, read without a network: whose they are, when they were signed, what they tell."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.dext import webhooks
from connectors.webhooks import NotUnderstoodError, SignatureError

SECRETS = ["the new secret", "the old one"]
BODY = b'{"id":"evt_1","type":"cost_item.published"}'
AT = datetime(2026, 11, 18, 11, 6, 40, tzinfo=UTC)
TOLERANCE = timedelta(seconds=300)


def signed(body: bytes = BODY, secret: str = SECRETS[0], at: datetime = AT) -> str:
    stamp = str(int(at.timestamp()))
    return f"t={stamp},v1={webhooks.sign(body, stamp, secret)}"


def verify(signature: str, body: bytes = BODY, now: datetime = AT) -> None:
    webhooks.verify(body, signature, SECRETS, now=now, tolerance=TOLERANCE)


def test_a_known_signature_is_right() -> None:
    # printf '1795000000.{}' | openssl dgst -sha256 -hmac secret
    expected = "6b4c7e66d3b69c810f27c4aa67ee370757d4dfdabf1fbb338ea7cf6aba9e0494"
    assert webhooks.sign(b"{}", "1795000000", "secret") == expected


def test_each_secret_of_ours_will_do_also_beside_a_signature_of_another_kind() -> None:
    for secret in SECRETS:
        verify(signed(secret=secret))
    verify(signed().replace(",v1", ",v0=00,v1=00,v1"))


def test_what_was_recorded_cannot_be_sent_again_later() -> None:
    verify(signed(), now=AT + TOLERANCE)
    for wrong in (TOLERANCE + timedelta(seconds=1), -TOLERANCE - timedelta(seconds=1)):
        with pytest.raises(SignatureError):
            verify(signed(), now=AT + wrong)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=,v1=00",
        signed(secret="somebody else's"),
        signed(b"another body"),
        # The time is signed: a fresh one does not make an old signature new.
        signed(at=AT - timedelta(days=1)).replace("1794", "1795"),
        signed().replace(",v1=", ",v2="),
        f"t=1,{signed()}",
        signed().replace("t=", "t=99999999999999999999"),
        signed().replace("v1=", "v1=\ud800"),
    ],
)
def test_nothing_else_verifies(signature: str) -> None:
    with pytest.raises(SignatureError):
        verify(signature)


def test_without_a_secret_nothing_verifies() -> None:
    with pytest.raises(SignatureError):
        webhooks.verify(BODY, signed(secret=""), [], now=AT, tolerance=TOLERANCE)


def event(**changes: Any) -> bytes:
    told = {
        "id": "evt_1",
        "type": "cost_item.updated",
        "created_at": "2026-11-18T11:06:40Z",
        "data": {"item_id": "7"},
    }
    return json.dumps(told | changes).encode()


def test_an_event_is_a_reason_to_read_the_items_or_to_push_the_lists() -> None:
    notice = webhooks.read(event())("acc_1")
    reload = webhooks.read(event(type="list.reload_requested", data={"kind": "suppliers"}))("acc_1")

    assert notice
    assert (notice.tenant_id, notice.resource, notice.record_id, notice.key) == (
        "acc_1",
        "dext.items",
        "7",
        "evt_1",
    )
    assert notice.happened_at == AT
    assert reload
    assert (reload.resource, reload.record_id) == ("dext.list_push", None)


@pytest.mark.parametrize("kind", ["ping", "something.new"])
def test_what_is_no_reason_to_do_anything_is_taken_and_does_nothing(kind: str) -> None:
    assert webhooks.read(event(type=kind))("acc_1") is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", event(id=None), event(id="x" * 256), event(type={"a": 1})]
)
def test_what_is_no_event_says_so(body: bytes) -> None:
    with pytest.raises(NotUnderstoodError):
        webhooks.read(body)
