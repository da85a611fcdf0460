"""The command line, the embedded start-up, the demo; the Python door: `from ledgertide import sync_now`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledgertide.api import PressHandle, SyncRefusedError, events, refresh, sync_all, sync_full, sync_now

__all__ = ["PressHandle", "SyncRefusedError", "events", "refresh", "sync_all", "sync_full", "sync_now"]


def __getattr__(name: str) -> object:
    """The door opens when somebody asks for it: what starts servers and processes needs none of Celery."""
    if name in __all__:
        return getattr(import_module("ledgertide.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
