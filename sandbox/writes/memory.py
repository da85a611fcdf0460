"""Xero's memory of Idempotency-Keys: for six minutes from its first call a key has one answer.

https://developer.xero.com/documentation/guides/idempotent-requests/idempotency/
"""

import hashlib
from dataclasses import dataclass

from sandbox.answers import Answer, bad_request
from sandbox.calls import Call

REMEMBERED_SECONDS = 360
LONGEST = 128
WRITES = frozenset({"PUT", "POST"})


@dataclass(frozen=True)
class Sent:
    """What was sent under a key: the same key with anything else is a mistake."""

    key: str
    digest: str

    @classmethod
    def of(cls, call: Call) -> "Sent | None":
        """A write's key, if it has one."""
        return cls(call.key, call.digest) if call.key and call.method in WRITES else None


def digest_of(method: str, url: str, body: bytes) -> str:
    """Tells two writes apart by where they go and what they send."""
    return hashlib.sha256(b"\0".join((method.encode(), url.encode(), body))).hexdigest()


class Memory:
    """The answers of the last six minutes' writes, an internal error's as well."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[float, str, Answer]] = {}

    def answer(self, sent: Sent, now: float) -> Answer | None:
        """What a key is answered with because it was sent before; None when it is new."""
        if len(sent.key) > LONGEST:
            return bad_request(10, "ValidationException", f"Idempotency Key is longer than {LONGEST}.")
        since, digest, answer = self.answers.get(sent.key, (float("-inf"), "", None))
        if answer is None or now >= since + REMEMBERED_SECONDS:
            return None
        if digest != sent.digest:
            words = f"Idempotency Key: {sent.key} is used with a different request."
            return bad_request(10, "ValidationException", words)
        return answer

    def keep(self, sent: Sent, answer: Answer, now: float) -> None:
        """Remember a key's first answer."""
        self.answers[sent.key] = now, sent.digest, answer

    def knows(self, sent: Sent, now: float) -> bool:
        """Whether the key was answered within the six minutes."""
        return now < self.answers.get(sent.key, (float("-inf"),))[0] + REMEMBERED_SECONDS

    def forget(self, now: float) -> None:
        """Drop what is too old to matter."""
        self.answers = {key: kept for key, kept in self.answers.items() if now < kept[0] + REMEMBERED_SECONDS}
