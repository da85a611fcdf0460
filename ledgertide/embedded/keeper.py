"""Keeps processes going: what has ended is named and started again, unless it keeps ending."""

import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from config.settings import environment_with
from ledgertide.embedded.folder import EmbeddedError
from ledgertide.embedded.processes import Processes, exit_status
from ledgertide.embedded.valkey import Valkey

# A process that ends so often in so short a time will not be mended by another start.
MOST_ENDS = 3
ENDS_WITHIN = timedelta(seconds=60)
LAST_LINES = 12


class Keeper:
    """Looks after an embedded Redis, the sandbox, and the processes of the product."""

    def __init__(self, valkey: Valkey, sandbox: Processes, product: Processes) -> None:
        self._valkey = valkey
        self._sandbox = sandbox
        self._product = product
        self._environment: dict[str, str] = {}
        self._ends: dict[str, list[float]] = defaultdict(list)

    def start(self, names: Iterable[str], environment: dict[str, str]) -> None:
        """Start processes of the Procfile, by name."""
        self._environment = environment
        self._product.start(names, environment)

    def pids(self) -> dict[str, int]:
        """The process id of everything that was started, by name."""
        redis = {"redis": self._valkey.process.pid} if self._valkey.process else {}
        return {**redis, **self._sandbox.pids(), **self._product.pids()}

    def look_after(self) -> list[str]:
        """Start again what has ended, and say so; raises EmbeddedError when something keeps ending."""
        notices = []
        if self._valkey.process is None or exit_status(self._valkey.process) is not None:
            self._note_end("redis", "its log is in the folder redis/")
            self._valkey.start()
            notices.append("redis had ended and was started again.")
        for processes, environment in (
            (self._sandbox, environment_with({})),
            (self._product, self._environment),
        ):
            for name, status in processes.poll().items():
                log = processes.log(name)
                self._note_end(name, f"its log {log} ends:\n{last_lines(log)}")
                processes.start([name], environment)
                notices.append(f"{name} had ended ({_how(status)}) and was started again; see {log}.1.")
        return notices

    def _note_end(self, name: str, and_its_log: str) -> None:
        now = time.monotonic()
        recent = [at for at in self._ends[name] if now - at < ENDS_WITHIN.total_seconds()]
        self._ends[name] = [*recent, now]
        if len(recent) >= MOST_ENDS:
            raise EmbeddedError(f"{name} keeps ending, so everything was stopped; {and_its_log}")


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """The end of a log, indented."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line}" for line in lines[-count:]) or "  (it is empty)"


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
