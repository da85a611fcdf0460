"""What one test has compiled, the next need not: else half of a small test's work would be to compile SQL."""

from typing import Any

from sqlalchemy import Connection, Engine, event


class _OfAllEngines(dict[Any, Any]):
    """SQLAlchemy's compiled statements, found by the name, driver and server of their dialect.

    Its own cache goes by the dialect itself. Each engine has another one, and each test makes engines.
    """

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_without_engine(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_without_engine(key), compiled)


def _without_engine(key: Any) -> Any:
    dialect, *statement = key
    return (dialect.name, dialect.driver, dialect.server_version_info, *statement)


_compiled = _OfAllEngines()


def share_compiled() -> None:
    """From now on every engine of this process finds what any other has compiled."""
    event.listen(Engine, "engine_connect", _share)


def _share(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_compiled)
