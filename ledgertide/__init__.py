"""The command line, the embedded start-up, the demo; the Python door: `from ledgertide import sync_now`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledgertide.api import (
        Doorbell,
        EventsGoneError,
        PressHandle,
        SyncRefusedError,
        all_organisations,
        doorbell,
        events,
        newest_event,
        refresh,
        sync_all,
        sync_full,
        sync_now,
    )
    from ledgertide.deciding import DecisionHandle, File, push_decision

__all__ = [
    "DecisionHandle",
    "Doorbell",
    "EventsGoneError",
    "File",
    "PressHandle",
    "SyncRefusedError",
    "all_organisations",
    "doorbell",
    "events",
    "newest_event",
    "push_decision",
    "refresh",
    "sync_all",
    "sync_full",
    "sync_now",
]
_ELSEWHERE = {"DecisionHandle", "File", "push_decision"}


def __getattr__(name: str) -> object:
    """The door opens when somebody asks for it: what starts servers and processes needs none of Celery."""
    if name in __all__:
        module = "ledgertide.deciding" if name in _ELSEWHERE else "ledgertide.api"
        return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
