"""`ledgertide run`: one command brings everything up, one Ctrl-C takes everything away."""

import signal
import socket
from pathlib import Path

import psutil

from ledgertide.embedded.folder import EmbeddedError
from ledgertide.embedded.keeper import Keeper
from ledgertide.embedded.processes import Processes
from ledgertide.embedded.valkey import Valkey
from tests.acceptance.running import ALL_FRESH, Running, is_alive, running, until

SMALL = ("--organisations", "2", "--edits-per-minute", "0", "--sandbox-port", "0", "--flower-port", "0")


def is_well(installation: Running) -> bool:
    """Whether the doctor finds nothing; a worker that stands still answers him too late."""
    said = installation.types("doctor")
    print(said.out)  # noqa: T201 - what a failure shows
    return said.status == 0


def test_it_goes_down_without_a_trace_goes_on_where_it_was_and_leaves_nothing_when_killed(
    tmp_path: Path,
) -> None:
    with running(tmp_path, *SMALL) as first:
        first.says("2 organisations of the sandbox were connected")
        first.says(ALL_FRESH)
        until(lambda: is_well(first))
        calls = first.sandbox.calls()
        family = first.family()

        second = first.types("run", "--folder", str(tmp_path / "var"), *SMALL)
        assert second.status == 1
        assert f"as process {first.process.pid}" in second.err
        assert first.types("feeds").status == 0

        assert first.end(signal.SIGTERM) == 0  # how Ctrl-C ends one is asked of the tests' own installation
        assert "Everything has ended" in first.said
        assert [process for process in family if is_alive(process)] == []
        assert processes_of(tmp_path) == []

    with running(tmp_path, *SMALL) as again:
        again.says("Going on from what is known")
        again.says(ALL_FRESH)

        # The first import was not repeated: nothing is due yet, so at most a feed or two was read.
        lists = [call for call in again.sandbox.calls() if call["tenant"]]
        assert len(lists) < len([call for call in calls if call["tenant"]]) / 2

        family = again.family()
        assert len(family) >= 6  # redis, sandbox, beat, two workers, Flower
        again.process.kill()
        again.process.wait()
        until(lambda: not [process for process in family if is_alive(process)])
    assert processes_of(tmp_path) == []


def processes_of(folder: Path) -> list[str]:
    """Whatever runs with this folder on its command line."""
    return [
        " ".join(words)
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(words := process.info["cmdline"] or []) and is_alive(process)
    ]


def test_a_process_that_dies_is_named_and_started_again(installation: Running) -> None:
    victim = next(one for one in installation.family() if "worker_now@" in " ".join(one.cmdline()))

    victim.kill()

    assert "signal 9" in installation.says("worker_now had ended .*")
    until(lambda: [one for one in installation.family() if "worker_now@" in " ".join(one.cmdline())])


def test_what_keeps_ending_ends_everything_and_its_last_words_are_said(tmp_path: Path) -> None:
    broken = Processes({"worker": "echo I cannot find my hat; exit 3"}, tmp_path / "log")
    with Valkey(tmp_path / "redis") as valkey:
        keeper = Keeper(valkey, Processes({}, tmp_path / "log"), broken)
        keeper.start(["worker"], {})

        def given_up() -> str | None:
            try:
                keeper.look_after()
            except EmbeddedError as error:
                return str(error)
            return None

        sentence = until(given_up)
        broken.stop()

    assert "worker keeps ending" in sentence
    assert "I cannot find my hat" in sentence


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        started = Running(tmp_path, "--sandbox-port", port, "--flower-port", "0")

        assert started.process.wait(60) == 1

    assert f"Port {port}, where the sandbox should listen, is taken" in started.said
    assert "--sandbox-port" in started.said
    assert len(started.said.splitlines()) == 1


def test_its_secrets_are_on_no_command_line_and_in_no_log(installation: Running) -> None:
    settings = installation.settings
    assert settings.flower_password is not None
    secrets = {
        "redis password": settings.redis_url.get_secret_value().split(":")[2].split("@")[0],
        "key": settings.secret_keys[0].get_secret_value(),
        "client secret": settings.xero_client_secret.get_secret_value(),
        "flower password": settings.flower_password.get_secret_value(),
        **{
            f"refresh token {number}": grant["refresh_token"]
            for number, grant in enumerate(installation.sandbox.grants()["grants"])
            if grant["refresh_token"]
        },
    }

    lines = [" ".join(one.cmdline()) for one in installation.family()]
    logs = [log.read_text(errors="replace") for log in (installation.folder / "var/log").iterdir()]
    shown = "\n".join([*lines, *logs, installation.said])
    assert len(logs) >= 5
    assert [name for name, secret in secrets.items() if secret in shown] == []


def test_what_it_keeps_is_nobody_elses_to_read(installation: Running) -> None:
    kept = {one.name: one.stat().st_mode for one in (installation.folder / "var").iterdir()}

    assert {"ledgertide.sqlite", "sandbox.state", "log", "redis"} <= kept.keys()
    assert [name for name, mode in kept.items() if mode & 0o077] == []
