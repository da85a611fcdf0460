"""How much processor time each process used between two looks."""

from collections.abc import Mapping

import psutil


class Meter:
    """Starts to count when it is made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = {name: _used(pid) for name, pid in self._pids.items()}

    def read(self) -> dict[str, float]:
        """Seconds of processor time by process since the start; what has ended is left out."""
        return {
            name: used - before
            for name, before in self._before.items()
            if before is not None and (used := _used(self._pids[name])) is not None
        }


def _used(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        times = [one.cpu_times() for one in family]
    except psutil.NoSuchProcess:
        return None
    return sum(one.user + one.system for one in times)
