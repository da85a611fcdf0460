"""Files on disk, named after what is in them, each organisation's in a folder of its own.

    FOLDER/ORGANISATION/ab/abcdef…          the file whose SHA-256 begins with ab
    FOLDER/ORGANISATION/arriving/…          what is not whole yet

Two organisations that have the very same file have two: one's file says nothing of the other's, and goes
without it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

# Longer than any file may take to arrive: whoever wrote it is dead.
LEFT_BEHIND = timedelta(hours=1)


class Shelf:
    """One folder. Every method raises OSError when the disk is full or forbids it; then nothing is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, organisation_id: str, sha256: str) -> Path:
        """Where an organisation's file of this content is, or would be."""
        return self._folder / organisation_id / sha256[:2] / sha256

    @contextmanager
    def arriving(self, organisation_id: str) -> Iterator[BinaryIO]:
        """A file to write what comes into; it is gone afterwards unless `keep` has put it in its place."""
        folder = self._folder / organisation_id / "arriving"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(folder)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            try:
                yield file  # type: ignore[misc]  # it has all that a binary file has
            finally:
                with suppress(FileNotFoundError):
                    Path(file.name).unlink()

    def keep(self, organisation_id: str, file: BinaryIO, sha256: str) -> Path:
        """Put what arrived in its place, once it is on the disk for good; safe to repeat."""
        file.flush()
        os.fsync(file.fileno())
        place = self.path(organisation_id, sha256)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(file.name).replace(place)
        for folder in (place.parent, place.parent.parent):
            _sync(folder)
        return place

    def forget(self, organisation_id: str) -> None:
        """Remove every file of an organisation; none is fine, too."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder / organisation_id)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """What a killed worker left behind."""
    oldest = time.time() - LEFT_BEHIND.total_seconds()
    for left in folder.iterdir():
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < oldest:
                left.unlink()
