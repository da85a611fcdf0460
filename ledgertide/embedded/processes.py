"""Child processes that never outlive this one: each in its own group, its output in its own file."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from honcho.environ import parse_procfile

GRACE = timedelta(seconds=10)
# A tenth of the weight of whoever is not nice (sched(7)).
NICENESS = 10
PR_SET_PDEATHSIG = 1


class Processes:
    """The commands of a Procfile, started by name.

    honcho only reads the Procfile here. Its manager forks a Python for each process, takes over the
    signals and the terminal, and ends all of them when one ends; under a live view none of that fits.

    Call ``start`` from the main thread: Linux kills the children when the *thread* that started
    them is gone, which is what makes a SIGKILL of this process take them along.
    """

    def __init__(
        self,
        commands: Mapping[str, str],
        logs: Path,
        *,
        behind: Collection[str] = (),
        grace: timedelta = GRACE,
    ) -> None:
        """``behind``: names of those that wait while others want the machine."""
        self._commands = dict(commands)
        self._logs = logs
        self._behind = frozenset(behind)
        self._grace = grace
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, names: Iterable[str], env: Mapping[str, str]) -> None:
        """Start these commands; one that has ended may be started again.

        They get exactly this environment, but for a search path that begins where our own Python
        lies: a Procfile's ``celery`` is the one of this installation, activated or not.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        for name in names:
            if name in self._running:
                stop_all([self._running.pop(name)], self._grace)
            with self._fresh_log(name).open("wb") as log:
                # `exec`: a signal reaches the command itself, with no shell in between to swallow it.
                self._running[name] = subprocess.Popen(  # noqa: S603 -- the Procfile is ours
                    ["/bin/sh", "-c", f"exec {self._commands[name]}"],
                    env={
                        **env,
                        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}",
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 -- see die_with_parent
                )
            if name in self._behind:
                stand_behind(self._running[name].pid)

    def poll(self) -> dict[str, int]:
        """Which of the started ones have ended, each with its exit status (negative: the signal)."""
        ended = {name: exit_status(process) for name, process in self._running.items()}
        return {name: status for name, status in ended.items() if status is not None}

    def log(self, name: str) -> Path:
        """Where this process's output goes; the start before keeps its file as ``….log.1``."""
        return self._logs / f"{name}.log"

    def pids(self) -> dict[str, int]:
        """The process id of each one started, ended or not."""
        return {name: process.pid for name, process in self._running.items()}

    def stop(self) -> None:
        """End all of them and whatever they started: politely first, by SIGKILL after the grace."""
        stop_all(self._running.values(), self._grace)
        self._running.clear()

    def _fresh_log(self, name: str) -> Path:
        log = self.log(name)
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        return log


def stand_behind(pid: int) -> None:
    """Let a process that has just been started in a session of its own wait while others want the machine.

    Linux weighs sessions against one another, and only within each of them its processes.
    """
    session = Path(f"/proc/{pid}/autogroup")
    with contextlib.suppress(OSError):  # it has ended, or may not be told: all weigh the same
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + NICENESS)
        for _ in range(50):
            try:
                session.write_text(str(NICENESS))
            except BlockingIOError:  # whoever is not root may do it once in a tenth of a second
                time.sleep(0.01)
            else:
                return


def read_procfile(path: Path) -> dict[str, str]:
    """The Procfile's commands by name, in its order."""
    return dict(parse_procfile(path.read_text()).processes)


def stop_all(processes: Iterable[subprocess.Popen[bytes]], grace: timedelta) -> None:
    """Send each process group SIGTERM, wait for up to ``grace`` in all, then SIGKILL what is left.

    A second Ctrl-C during the wait ends the wait, never the killing.
    """
    remaining = list(processes)
    try:
        for process in remaining:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + grace.total_seconds()
        while any(exit_status(process) is None for process in remaining) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        for process in remaining:
            _signal_group(process, signal.SIGKILL)
            process.wait()


def exit_status(process: subprocess.Popen[bytes]) -> int | None:
    """The exit status of a process that has ended, else None.

    It is not reaped: while it is a zombie its group's number cannot be given to a stranger, so the
    group may still be signalled to end what the process itself had started.
    """
    if process.returncode is not None:
        return process.returncode
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def die_with_parent(death: signal.Signals) -> Callable[[], None] | None:
    """What a child does between fork and exec so that it gets ``death`` when its parent is gone, however.

    Only Linux can. The C function is looked up here, before the fork: after it only the call itself
    is safe in a process that has threads.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(death), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.returncode is None:
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS: a group of zombies may not be signalled
            return
