"""What hangs together by name only: tasks, queues, processes, rooms; and the options promises rest on."""

import ast
import importlib.util
import shlex
import tomllib
from pathlib import Path

import pytest
from celery import Celery
from celery.utils.imports import symbol_by_name

from config.settings import load_settings
from ledgertide.embedded.processes import read_procfile
from sync.services import Pace
from tasks.upkeep import DUTIES
from workers.celery import make_app

ROOT = Path(__file__).parent.parent
ROOMS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
PROCFILE = read_procfile(ROOT / "Procfile")


@pytest.fixture(scope="module")
def app() -> Celery:
    environment = {
        "LEDGERTIDE_DATABASE_URL": "sqlite:////nowhere/never-opened.sqlite",
        "LEDGERTIDE_REDIS_URL": "redis://127.0.0.1:1/0",
        "LEDGERTIDE_SECRET_KEYS": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
        "LEDGERTIDE_XERO_CLIENT_ID": "app",
        "LEDGERTIDE_XERO_CLIENT_SECRET": "app-secret",
    }
    app = make_app(load_settings(environment))
    app.loader.import_default_modules()
    return app


def queues_of(command: str) -> set[str]:
    """The queues that a Procfile's command works on."""
    words = shlex.split(command)
    return set(words[words.index("-Q") + 1].split(",")) if "-Q" in words else set()


DECISIONS = {"decisions.push", "decisions.slice"}
PRESSES = {"sync.now", "sync.all", "sync.full", "sync.record"}


def our_tasks(app: Celery) -> set[str]:
    return {name for name in app.tasks if not name.startswith("celery.")}


def test_each_task_has_a_queue_of_ours(app: Celery) -> None:
    queues = {name: app.amqp.router.route({}, name)["queue"].name for name in our_tasks(app)}

    assert {"sync.slice", *PRESSES} <= set(queues)
    assert set(queues.values()) <= {queue.name for queue in app.conf.task_queues}
    assert queues["sync.slice"] != queues["sync.now"]


def test_each_queue_has_a_process_and_each_process_knows_its_queues(app: Celery) -> None:
    worked_on = set().union(*(queues_of(command) for command in PROCFILE.values()))

    assert worked_on == {queue.name for queue in app.conf.task_queues}


def test_each_queue_names_its_exchange_and_key_itself(app: Celery) -> None:
    assert {queue.name: (queue.exchange.name, queue.routing_key) for queue in app.conf.task_queues} == {
        queue.name: (queue.name, queue.name) for queue in app.conf.task_queues
    }


def test_a_press_goes_ahead_of_scheduled_work_however_it_was_sent(app: Celery) -> None:
    queues = {name: app.amqp.router.route({}, name)["queue"].name for name in our_tasks(app)}

    assert {queues[name] for name in PRESSES} == {"now"}
    assert queues["sync.slice"] == "sync"
    assert {queue for name, queue in queues.items() if name.startswith("upkeep.")} == {"upkeep"}


def test_presses_have_a_process_of_their_own(app: Celery) -> None:
    assert ["now", "push"] in [sorted(queues_of(command)) for command in PROCFILE.values()]


def test_decisions_go_ahead_of_all_other_work(app: Celery) -> None:
    queues = {name: app.amqp.router.route({}, name)["queue"].name for name in our_tasks(app)}

    assert {queues[name] for name in DECISIONS} == {"push"}


def test_the_tasks_are_named_as_operators_and_messages_know_them(app: Celery) -> None:
    assert our_tasks(app) == {
        "sync.slice",
        *PRESSES,
        *DECISIONS,
        "upkeep.prune",
        "upkeep.grants",
        "upkeep.webhooks",
        "upkeep.expiry",
        "upkeep.files",
        "files.fetch",
    }


def test_only_presses_and_decisions_keep_a_result(app: Celery) -> None:
    keeping = {name for name in our_tasks(app) if not app.tasks[name].ignore_result}

    assert keeping == PRESSES | {"decisions.push"}
    assert app.conf.result_expires == 3600


@pytest.mark.parametrize(
    ("option", "value"),
    [
        # A message is gone only when its slice has ended, and a worker holds no more than it works on.
        ("task_acks_late", True),
        ("task_reject_on_worker_lost", True),
        ("worker_prefetch_multiplier", 1),
        ("worker_pool", "threads"),
        # A misspelt queue is an error, not a queue that nobody works on.
        ("task_create_missing_queues", False),
        ("task_ignore_result", True),
        # A worker waits for Redis however long it is away, and does not end well instead.
        ("broker_connection_max_retries", None),
    ],
)
def test_the_options_that_promises_rest_on_are_set(app: Celery, option: str, value: object) -> None:
    assert app.conf[option] == value
    assert not any(getattr(app.tasks[name], "acks_late", True) is False for name in our_tasks(app)), (
        "a task that overrides it"
    )


def test_the_broker_keeps_order_and_outlasts_a_slice(app: Celery) -> None:
    options = app.conf.broker_transport_options

    assert options["queue_order_strategy"] == "priority"
    assert [queue.name for queue in app.conf.task_queues][:2] == ["push", "now"]
    assert options["visibility_timeout"] > 10 * Pace().slice.total_seconds()
    assert options["visibility_timeout"] > Pace().lease.total_seconds()
    assert (options["unacked_restore_interval"], options["unacked_restore_throttle"]) == (5, 1)
    assert options["max_connections"] > app.conf.worker_concurrency
    # Every thread may publish at the same time.
    assert app.conf.broker_pool_limit >= app.conf.worker_concurrency


# These keep a message in a worker's memory until its hour, and run it twice past the visibility timeout.
WAITING_IN_MEMORY = {
    "eta",
    "countdown",
    "autoretry_for",
    "retry_backoff",
    "max_retries",
    "default_retry_delay",
}


def test_nothing_waits_in_a_message() -> None:
    files = [
        file
        for room in ("tasks", "schedules", "workers", "ledgertide")
        for file in (ROOT / room).rglob("*.py")
    ]
    calls = [
        (
            f"{file.name}:{node.lineno}",
            ast.unparse(node.func),
            {word.arg: word.value for word in node.keywords},
        )
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
    ]
    sending = [call for call in calls if call[1].endswith((".apply_async", ".send_task"))]

    assert [where for where, _, given in calls if WAITING_IN_MEMORY & set(given)] == []
    assert [where for where, called, _ in calls if called == "self.retry"] == []
    # Nor in whoever sends: Celery would go on trying for seconds.
    assert {ast.unparse(given["retry"]) for _, _, given in sending} == {"False"}
    assert [where for where, called, _ in calls if called.endswith(".delay")] == []


def test_each_duty_that_beat_sends_is_a_task(app: Celery) -> None:
    assert set(DUTIES) <= our_tasks(app)


def test_beat_finds_its_scheduler_by_name(app: Celery) -> None:
    assert symbol_by_name(app.conf.beat_scheduler).__module__ == "schedules.beat"


@pytest.mark.parametrize("name", PROCFILE)
def test_each_process_starts_a_module_of_ours(name: str) -> None:
    words = shlex.split(PROCFILE[name])

    module = words[words.index("-A") + 1] if "-A" in words else words[words.index("-m") + 1]
    assert module.split(".")[0] in ROOMS
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("room", ROOMS)
def test_each_rooms_name_resolves_to_our_folder(room: str) -> None:
    spec = importlib.util.find_spec(room)

    assert spec is not None
    assert spec.origin == str(ROOT / room / "__init__.py")
