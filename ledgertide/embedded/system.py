"""Everything on one machine: a Redis, the sandbox in place of Xero and Dext, and the Procfile's processes."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from config.settings import Settings, environment_with, load_settings
from ledgertide.embedded.folder import EmbeddedError, only_one, own_environment, require_port
from ledgertide.embedded.keeper import Keeper, last_lines
from ledgertide.embedded.processes import Processes, read_procfile
from ledgertide.embedded.sandbox_doors import SandboxDoors
from ledgertide.embedded.valkey import LOOPBACK, Valkey, free_port
from ledgertide.migrate import migrate

PROCFILE = Path(__file__).resolve().parents[2] / "Procfile"
# A page of records may wait; a provider that delivers a webhook, and whoever opens a page, does not.
BEHIND = ("worker", "worker_now")
SANDBOX_READY_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted. Port 0: any free one."""

    folder: Path
    organisations: int = 25
    seed: int = 7
    edits_per_minute: float = 0
    sandbox_port: int = 0
    flower_port: int = 0
    web_port: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)  # in place of those that would be brought
    fresh: bool = False  # begin with an empty folder


@dataclass(frozen=True, slots=True)
class System:
    """The running whole; made by `embedded`."""

    settings: Settings
    doors: SandboxDoors
    keeper: Keeper


@contextmanager
def embedded(plan: Plan, tell: Callable[[str], None]) -> Iterator[System]:
    """Bring everything up, migrated and ready to connect to; at the end nothing of it is left running.

    ``tell`` is given a sentence once it is sure that this may start at all.
    Raises EmbeddedError when the folder or a port is taken, or something does not start.
    """
    folder = plan.folder.absolute()
    if plan.fresh:
        _require_ours(folder)
    with ExitStack() as stack:
        # What customers have in their books is nobody else's to read; our processes inherit this.
        stack.callback(os.umask, os.umask(0o077))
        stack.enter_context(only_one(folder))
        if plan.fresh:
            _empty(folder)
        sandbox_port = _port(plan.sandbox_port, "the sandbox", "--sandbox-port")
        flower_port = _port(plan.flower_port, "Flower", "--flower-port")
        web_port = _port(plan.web_port, "the web process", "--web-port")
        tell("Starting Redis, the sandbox, and the processes of the Procfile ...")
        valkey = stack.enter_context(Valkey(folder / "redis"))
        sandbox = Processes({"sandbox": _sandbox_command(plan, folder, sandbox_port)}, folder / "log")
        stack.callback(sandbox.stop)
        sandbox.start(["sandbox"], environment_with({}))
        doors = SandboxDoors(f"http://{LOOPBACK}:{sandbox_port}")
        _await_sandbox(sandbox, doors)
        values = own_environment(
            folder, valkey.url, {**_provider(doors, flower_port, web_port), **plan.settings}
        )
        settings = load_settings(values)
        migrate(settings.database_url.get_secret_value(), settings.cadences)
        product = Processes(read_procfile(PROCFILE), folder / "log", behind=_behind(settings))
        stack.callback(product.stop)
        keeper = Keeper(valkey, sandbox, product)
        keeper.start(read_procfile(PROCFILE), environment_with(values))
        yield System(settings, doors, keeper)


def _behind(settings: Settings) -> Sequence[str]:
    """On SQLite nobody: whoever writes holds the one lock that all others wait for, web too."""
    return () if settings.database_url.get_secret_value().startswith("sqlite") else BEHIND


def _require_ours(folder: Path) -> None:
    """What is about to be emptied must be ours: a slip of the finger should cost nobody a home directory."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "run.lock").exists():
        raise EmbeddedError(f"{folder} holds something that is not Ledgertide's: choose another --folder.")


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == "run.lock":  # we hold it
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _port(wanted: int, whose: str, option: str) -> int:
    if not wanted:
        return free_port()
    require_port(wanted, whose, f"end what listens there, or choose another one with {option}")
    return wanted


def _sandbox_command(plan: Plan, folder: Path, port: int) -> str:
    words = [sys.executable, "-m", "sandbox", "--port", str(port), "--seed", str(plan.seed)]
    words += ["--organisations", str(plan.organisations), "--state", str(folder / "sandbox.state")]
    if plan.edits_per_minute:
        words += ["--edits-per-minute", str(plan.edits_per_minute)]
    return shlex.join(words)


def _await_sandbox(sandbox: Processes, doors: SandboxDoors) -> None:
    """Wait for the one line that a ready sandbox prints."""
    log = sandbox.log("sandbox")
    deadline = time.monotonic() + SANDBOX_READY_WITHIN.total_seconds()
    while f"sandbox: {doors.url}\n" not in log.read_text(errors="replace"):
        if sandbox.poll() or time.monotonic() > deadline:
            raise EmbeddedError(f"The sandbox did not start; its log {log} ends:\n{last_lines(log)}")
        time.sleep(0.02)


def _provider(doors: SandboxDoors, flower_port: int, web_port: int) -> dict[str, str]:
    app = doors.grants()
    dext = app["dext"]
    return {
        "LEDGERTIDE_XERO_API_URL": doors.url,
        "LEDGERTIDE_XERO_IDENTITY_URL": doors.url,
        "LEDGERTIDE_XERO_CLIENT_ID": str(app["client_id"]),
        "LEDGERTIDE_XERO_CLIENT_SECRET": str(app["client_secret"]),
        "LEDGERTIDE_DEXT_BASE_URL": f"{doors.url}/dext",
        "LEDGERTIDE_DEXT_TOKEN_URL": f"{doors.url}/dext/oauth/token",
        "LEDGERTIDE_DEXT_CLIENT_ID": str(dext["client_id"]),
        "LEDGERTIDE_DEXT_CLIENT_SECRET": str(dext["client_secret"]),
        "LEDGERTIDE_FLOWER_PORT": str(flower_port),
        "LEDGERTIDE_WEB_PORT": str(web_port),
    }
