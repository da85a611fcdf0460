"""The file of an item: streamed into a sink, no larger than allowed, and what Dext says it is."""

import hashlib
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from config.values import LOOPBACK
from connectors.dext.values import DextFile
from connectors.errors import BrokenAnswerError, RejectedError, TransientError
from connectors.transport import Answer


class Intake:
    """Takes a file piece by piece; `begin` lets it be read again from the start."""

    def __init__(self, sink: BinaryIO, largest: int, sha256: str | None) -> None:
        self._sink = sink
        self._start = sink.tell()
        self._largest = largest
        self._expected = sha256.lower() if sha256 else None
        self.begin()

    def begin(self) -> None:
        """Forget what an attempt before brought."""
        self._sink.seek(self._start)
        self._sink.truncate()
        self._digest = hashlib.sha256()
        self._size = 0

    def take(self, piece: bytes) -> None:
        """Another piece; RejectedError once there are too many."""
        self._size += len(piece)
        if self._size > self._largest:
            raise RejectedError(
                f"The file is larger than {self._largest / 2**20:g} MiB, so it was not taken.",
                code="file_too_large",
            )
        self._digest.update(piece)
        self._sink.write(piece)

    def finish(self, answer: Answer) -> DextFile:
        """The file is there whole; BrokenAnswerError when it is not the one that was announced."""
        if answer.body:
            raise TransientError(
                "Dext sent something else in place of the file. It is tried again later.",
                code="unexpected_answer",
            )
        digest = self._digest.hexdigest()
        if self._expected and digest != self._expected:
            raise BrokenAnswerError(
                "The file is not the one that Dext announced. It is asked again by itself."
            )
        return DextFile(answer.headers.get("Content-Type", ""), self._size, digest)


def pointed_to(base_url: str, path: str, answer: Answer) -> str:
    """Where an answer says that the file is: by https, or on this machine if Dext is there, too."""
    asked, location = urlsplit(base_url), answer.headers.get("Location", "").strip()
    url = urljoin(f"{base_url}{path}", location)
    place = urlsplit(url)
    near = {place.hostname, asked.hostname} <= LOOPBACK
    if not location or not (place.scheme == "https" or (place.scheme == "http" and near)):
        raise TransientError(
            "Dext says that the file is at an address that is not fetched from. It is tried again later.",
            code="file_unavailable",
        )
    return url
