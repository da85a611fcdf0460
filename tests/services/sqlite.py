"""A fresh SQLite file for each test, copied from one that is already migrated."""

import shutil
from pathlib import Path


class SqliteFolder:
    """Makes databases as files of one folder, with the same verbs as ``PostgresServer``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def create(self, template: str | None = None) -> str:
        """A new database, empty or a copy of ``template``; returns its name."""
        self._made += 1
        name = f"test_{self._made}.sqlite"
        if template is not None:
            if (self._folder / f"{template}-wal").exists():
                raise RuntimeError(f"{template} is still open somewhere: a copy would miss its last writes")
            shutil.copyfile(self._folder / template, self._folder / name)
        return name

    def drop(self, name: str) -> None:
        """Remove a database and what SQLite keeps beside it."""
        for file in self._folder.glob(f"{name}*"):
            file.unlink()

    def url(self, name: str) -> str:
        """The address of a database as SQLAlchemy reads it."""
        return f"sqlite:///{self._folder / name}"
