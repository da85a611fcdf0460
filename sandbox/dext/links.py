"""Links to files: good for a while, for whoever holds them."""

import hashlib
import hmac
import math

from sandbox.dext.refusals import RefusedError

SECONDS = 300


class Links:
    """Signs the links and reads them again."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def make(self, account: str, item_id: str, now: float) -> str:
        """The path and query of a link that lives for 300 seconds at least."""
        expires = math.ceil(now) + SECONDS
        return f"/dext/files/{account}/{item_id}?expires={expires}&key={self._key(account, item_id, expires)}"

    def check(self, account: str, item_id: str, expires: str, key: str, now: float) -> None:
        """Let a good link pass; raises RefusedError for every other."""
        good = expires.isdecimal() and hmac.compare_digest(
            key.encode(), self._key(account, item_id, int(expires)).encode()
        )
        if not good:
            raise RefusedError(403, "forbidden", "This link is not ours.")
        if now > int(expires):
            raise RefusedError(403, "link_expired", "This link has expired.")

    def _key(self, account: str, item_id: str, expires: int) -> str:
        return hmac.new(self._secret, f"{account}:{item_id}:{expires}".encode(), hashlib.sha256).hexdigest()
