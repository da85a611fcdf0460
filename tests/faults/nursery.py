"""Bears the product's processes: a parent that has imported everything forks them in a tenth of a second.

A kill is only as cheap as the start that follows it: a Python that imports the product anew takes two seconds
of a processor, and a soak kills every few seconds.
"""

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, cast

from config.settings import environment_with
from tests.faults.child import Birth, live

PATIENCE_SECONDS = 60.0


class Nursery:
    """Starts processes and hears of their ends; all of them die with it."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}
        self._born: queue.Queue[int] = queue.Queue()
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=Path(__file__).resolve().parents[2],
            env=environment_with({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self._lock = threading.Lock()

    def bear(self, birth: Birth) -> int:
        """Start a process; returns its id."""
        with self._lock:
            words = cast("IO[str]", self._process.stdin)
            words.write(birth.as_json() + "\n")
            words.flush()
            return self._born.get(timeout=PATIENCE_SECONDS)

    def ended(self, pid: int) -> int | None:
        """How a process ended (negative: the signal), or None while it lives."""
        with self._changed:
            return self._ends.get(pid)

    def await_end(self, pid: int, within: float = PATIENCE_SECONDS) -> int:
        """Come back when a process has ended, with how."""
        with self._changed:
            if not self._changed.wait_for(lambda: pid in self._ends, within):
                raise TimeoutError(f"process {pid} has not ended within {within} s")
            return self._ends[pid]

    def close(self) -> None:
        """End the parent, and with it whatever it has born."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _listen(self) -> None:
        for line in cast("IO[str]", self._process.stdout):
            told = json.loads(line)
            if "born" in told:
                self._born.put(told["born"])
                continue
            with self._changed:
                self._ends[told["ended"]] = told["status"]
                self._changed.notify_all()


def main() -> None:
    """Fork on demand, reap, and tell; without threads, so that a fork is safe."""
    from celery.bin import beat, worker  # noqa: F401, PLC0415 - imported here once, for all that are born

    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker)
    heard = b""
    while True:
        readable, _, _ = select.select([0, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            _reap()
        if 0 in readable:
            piece = os.read(0, 65536)
            if not piece:
                return
            *lines, heard = (heard + piece).split(b"\n")
            for line in lines:
                _bear(Birth.from_json(line.decode()), (wake, waker))


def _bear(birth: Birth, ours: tuple[int, ...]) -> None:
    from ledgertide.embedded.processes import die_with_parent  # noqa: PLC0415

    dying = die_with_parent(signal.SIGKILL)
    pid = os.fork()
    if pid:
        _tell(born=pid)
        return
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        if dying:
            dying()
        for descriptor in ours:
            os.close(descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        live(birth)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else bool(end.code))
    except BaseException:  # noqa: BLE001 - a child must never go on as its parent
        sys.excepthook(*sys.exc_info())
        os._exit(70)
    os._exit(0)


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(ended=pid, status=os.waitstatus_to_exitcode(status))


def _tell(**what: Any) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())


if __name__ == "__main__":
    main()
