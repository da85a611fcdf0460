"""Writes by their idempotency key: a repeat is answered as the first time, and does nothing."""

import hashlib
from collections.abc import Callable

from sandbox.answers import Answer
from sandbox.dext.refusals import RefusedError

LONGEST = 128

Key = tuple[str, str, str]  # account, path, key


class Remembered:
    """The answers of the writes that were taken."""

    def __init__(self) -> None:
        self.answers: dict[Key, tuple[str, Answer]] = {}

    def once(
        self, account: str, path: str, key: str | None, body: bytes, write: Callable[[], Answer]
    ) -> Answer:
        """Do a write, or answer as when it was done; raises RefusedError, and then nothing is remembered."""
        if not key:
            raise RefusedError(400, "idempotency_key_missing", "A write needs an Idempotency-Key.")
        if len(key) > LONGEST:
            raise RefusedError(400, "idempotency_key_too_long", f"At most {LONGEST} characters.")
        digest = hashlib.sha256(body).hexdigest()
        first, answer = self.answers.get((account, path, key), (digest, None))
        if first != digest:
            raise RefusedError(409, "idempotency_key_reused", "This key came with another body.")
        if answer is None:
            answer = write()
            self.answers[account, path, key] = digest, answer
        return answer
