"""The embedded services: private, lasting, one at a time, and gone with whoever started them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis

from config.settings import environment_with, load_settings
from ledgertide.embedded.folder import EmbeddedError, environment_of, only_one, own_environment, require_port
from ledgertide.embedded.processes import NICENESS, Processes, read_procfile
from ledgertide.embedded.valkey import Valkey, ValkeyError, free_port

PROVIDER = {"LEDGERTIDE_XERO_CLIENT_ID": "app", "LEDGERTIDE_XERO_CLIENT_SECRET": "app-secret"}


def eventually(truth: Callable[[], bool], within: float = 15) -> bool:
    deadline = time.monotonic() + within
    while not truth() and time.monotonic() < deadline:
        time.sleep(0.01)
    return truth()


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def pid_in(file: Path) -> int:
    assert eventually(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Runs Python text as a process of its own."""
    running: list[subprocess.Popen[str]] = []

    def run(text: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", text, str(tmp_path)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


class TestValkey:
    def test_what_it_acknowledged_is_there_after_a_restart(self, tmp_path: Path) -> None:
        with Valkey(tmp_path / "with space") as first, redis.Redis.from_url(first.url) as client:
            client.set("kept", "yes")
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

        with Valkey(tmp_path / "with space") as second, redis.Redis.from_url(second.url) as client:
            assert client.get("kept") == b"yes"

    def test_it_keeps_its_address_when_it_is_started_again(self, own_redis: Valkey) -> None:
        url = own_redis.url

        own_redis.stop()
        own_redis.start()

        assert own_redis.url == url

    def test_its_password_is_seen_by_its_owner_alone(self, own_redis: Valkey, tmp_path: Path) -> None:
        password = own_redis.url.split(":")[2].split("@")[0]

        assert own_redis.process is not None
        assert password not in " ".join(psutil.Process(own_redis.process.pid).cmdline())
        assert (tmp_path / "own-redis/password").read_text().strip() == password
        assert (tmp_path / "own-redis/password").stat().st_mode & 0o777 == 0o600
        assert password not in (tmp_path / "own-redis/valkey.log").read_text()

    def test_it_listens_on_this_machine_only(self, own_redis: Valkey) -> None:
        assert own_redis.process is not None
        listening = [
            c for c in psutil.Process(own_redis.process.pid).net_connections() if c.status == "LISTEN"
        ]

        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}

    def test_a_port_taken_meanwhile_is_said_in_a_sentence(self, tmp_path: Path) -> None:
        server = Valkey(tmp_path)
        server.start()
        server.stop()

        with (
            socket.create_server(("127.0.0.1", server.port)),
            pytest.raises(ValkeyError, match="Failed listening on port"),
        ):
            server.start()

        assert server.process is None

    def test_it_dies_with_a_process_that_is_killed(
        self, script: Callable[[str], subprocess.Popen[str]]
    ) -> None:
        parent = script(
            "import sys, time; from pathlib import Path; from ledgertide.embedded.valkey import Valkey\n"
            "server = Valkey(Path(sys.argv[1]) / 'redis'); server.start()\n"
            "print(server.process.pid, flush=True); time.sleep(60)"
        )
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert is_alive(server)

        parent.kill()

        assert eventually(lambda: not is_alive(server))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str]], Processes]]:
    made: list[Processes] = []

    def make(commands: Mapping[str, str], behind: Collection[str] = ()) -> Processes:
        made.append(Processes(commands, tmp_path / "logs", behind=behind, grace=timedelta(seconds=1)))
        return made[-1]

    yield make
    for each in made:
        each.stop()


ENV = {"PATH": "/usr/bin:/bin"}


class TestProcesses:
    def test_a_procfile_is_read_in_its_order(self, tmp_path: Path) -> None:
        (tmp_path / "Procfile").write_text("# the map\nweb: serve --port 80\nbeat: tick\n")

        assert list(read_procfile(tmp_path / "Procfile").items()) == [
            ("web", "serve --port 80"),
            ("beat", "tick"),
        ]

    def test_each_writes_to_its_own_log_with_the_environment_given(
        self, processes: Callable[[Mapping[str, str]], Processes]
    ) -> None:
        group = processes({"one": 'sh -c "echo $WORD; echo to stderr >&2; env"', "two": "echo other"})

        group.start(["one", "two"], ENV | {"WORD": "hello"})

        assert eventually(lambda: group.poll() == {"one": 0, "two": 0})
        assert group.log("one").read_text().startswith("hello\nto stderr\n")
        assert "HOME=" not in group.log("one").read_text()
        assert group.log("two").read_text() == "other\n"

    def test_a_command_is_first_looked_for_beside_our_own_python(
        self, processes: Callable[[Mapping[str, str]], Processes]
    ) -> None:
        group = processes({"which": "sh -c 'command -v pytest'"})

        group.start(["which"], ENV)

        assert eventually(lambda: group.poll() == {"which": 0})
        assert group.log("which").read_text().strip() == str(Path(sys.executable).with_name("pytest"))

    def test_one_that_stands_behind_the_others_weighs_less(self, processes: Callable[..., Processes]) -> None:
        group = processes({"web": "sleep 60", "worker": "sleep 60"}, behind=["worker"])

        group.start(["web", "worker"], ENV)
        web, worker = (group.pids()[name] for name in ("web", "worker"))
        session = Path(f"/proc/{worker}/autogroup")

        assert os.getpriority(os.PRIO_PROCESS, worker) > os.getpriority(os.PRIO_PROCESS, web)
        # Where Linux weighs sessions, that of the process as well.
        assert not session.exists() or session.read_text().endswith(f" nice {NICENESS}\n")

    def test_the_log_of_the_start_before_is_kept(
        self, processes: Callable[[Mapping[str, str]], Processes]
    ) -> None:
        group = processes({"one": "echo $WORD"})

        for word in ("first", "second"):
            group.start(["one"], ENV | {"WORD": word})
            assert eventually(lambda: group.poll() == {"one": 0})

        assert group.log("one").read_text() == "second\n"
        assert group.log("one").with_name("one.log.1").read_text() == "first\n"

    def test_one_that_ends_says_how_and_leaves_the_others_running(
        self, processes: Callable[[Mapping[str, str]], Processes]
    ) -> None:
        group = processes({"stays": "sleep 60", "fails": "sh -c 'exit 3'", "killed": "sleep 60"})
        group.start(["stays", "fails", "killed"], ENV)

        os.kill(group.pids()["killed"], signal.SIGKILL)

        assert eventually(lambda: group.poll() == {"fails": 3, "killed": -signal.SIGKILL})
        assert is_alive(group.pids()["stays"])

    def test_stop_ends_also_what_ignores_it_and_what_it_started(
        self, processes: Callable[[Mapping[str, str]], Processes], tmp_path: Path
    ) -> None:
        child = tmp_path / "child"
        group = processes(
            {
                "polite": "sleep 60",
                "stubborn": f"sh -c \"trap '' TERM; sleep 61 & echo \\$! > '{child}'; wait; wait; sleep 60\"",
            }
        )
        group.start(["polite", "stubborn"], ENV)
        everyone = [*group.pids().values(), pid_in(child)]

        started = time.monotonic()
        group.stop()

        assert 1 <= time.monotonic() - started < 30  # half of what they would have slept
        assert eventually(lambda: not any(is_alive(pid) for pid in everyone))
        assert group.poll() == {}

    def test_all_die_with_a_process_that_is_killed(
        self, script: Callable[[str], subprocess.Popen[str]]
    ) -> None:
        parent = script(
            "import sys, time; from pathlib import Path\n"
            "from ledgertide.embedded.processes import Processes\n"
            "group = Processes({'a': 'sleep 60', 'b': 'sleep 60'}, Path(sys.argv[1]))\n"
            "group.start(['a', 'b'], {}); print(*group.pids().values(), flush=True); time.sleep(60)"
        )
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(is_alive(pid) for pid in pids)

        parent.kill()

        assert eventually(lambda: not any(is_alive(pid) for pid in pids))


def test_a_second_start_is_refused_and_names_the_first(
    script: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = script(
        "import sys, time; from pathlib import Path; from ledgertide.embedded.folder import only_one\n"
        "with only_one(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"

    with pytest.raises(EmbeddedError, match=f"as process {first.pid}:"), only_one(tmp_path):
        pass

    first.kill()
    first.wait()
    with only_one(tmp_path):
        assert (tmp_path / "run.lock").read_text() == str(os.getpid())


def test_a_taken_port_is_one_sentence_with_what_to_do() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(EmbeddedError, match=r"the sandbox should listen, is taken .*: end what uses it\."),
    ):
        require_port(server.getsockname()[1], "the sandbox", "end what uses it")

    require_port(free_port(), "the sandbox", "end what uses it")


def test_the_embedded_settings_are_whole_private_and_last(tmp_path: Path) -> None:
    first = own_environment(tmp_path, "redis://:planted@127.0.0.1:6379/0", PROVIDER)
    second = own_environment(tmp_path, "redis://:planted@127.0.0.1:6380/0", PROVIDER)

    settings = load_settings(second)
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/ledgertide.sqlite"
    assert settings.flower_password is not None
    for name in ("LEDGERTIDE_SECRET_KEYS", "LEDGERTIDE_FLOWER_PASSWORD"):
        assert first[name] == second[name]
    assert environment_of(tmp_path) == second
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_a_child_gets_our_environment_without_settings_of_other_installations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEDGERTIDE_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("WORD", "hello")

    environment = environment_with({"LEDGERTIDE_FLOWER_PORT": "5556"})

    assert environment["WORD"] == "hello"
    assert [n for n in environment if n.startswith("LEDGERTIDE_")] == ["LEDGERTIDE_FLOWER_PORT"]
