"""Short words for what the tests of the limiter do: a call that passes, is refused, or passes in the end."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from config.limits import XERO, CallClass
from limiter.limiter import Account, Limiter, NotBeforeError, Permit, Remaining
from sandbox.testing import Sandbox

ACME = Account("xero", "acme")
BOLT = Account("xero", "bolt")
NOT_AT_ALL = timedelta(0)
EVENTUALLY_SECONDS = 20.0


def xero(redis_url: str, **changed: Any) -> Limiter:
    """A limiter for Xero's limits with some numbers changed."""
    return Limiter(redis_url, {"xero": replace(XERO, **changed)})


def passes(limiter: Limiter, account: Account, call_class: CallClass = CallClass.SCHEDULED) -> Permit:
    return limiter.acquire(account, call_class, max_wait=NOT_AT_ALL)


def refusal(
    limiter: Limiter, account: Account, call_class: CallClass = CallClass.SCHEDULED
) -> NotBeforeError:
    with pytest.raises(NotBeforeError) as caught:
        limiter.acquire(account, call_class, max_wait=NOT_AT_ALL)
    return caught.value


def passes_in_the_end(
    limiter: Limiter, account: Account, call_class: CallClass = CallClass.SCHEDULED
) -> Permit:
    deadline = time.monotonic() + EVENTUALLY_SECONDS
    while True:
        try:
            return limiter.acquire(account, call_class, max_wait=timedelta(seconds=0.1))
        except NotBeforeError:
            assert time.monotonic() < deadline, "no call passed"


def call(
    limiter: Limiter,
    account: Account,
    left: Remaining | None = None,
    call_class: CallClass = CallClass.SCHEDULED,
    **refused: object,
) -> None:
    """One call from permit to answer."""
    permit = passes(limiter, account, call_class)
    limiter.answered(permit, left or Remaining(), **refused)  # type: ignore[arg-type]


def organisations(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Every organisation with a token that serves it."""
    found = []
    for grant in sandbox.grants()["grants"]:
        token = sandbox.refresh(grant["refresh_token"]).json()["access_token"]
        found += [
            {"tenant": tenant["tenant_id"], "token": token, "day": 1_000_000} for tenant in grant["tenants"]
        ]
    return found
