"""What the command line says before it meets a database: usage and settings, each in a sentence."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config.settings import environment_with
from tests.services.operator import Operator, operator
from tests.services.terminal import Ended

__all__ = ["operator"]

COMMANDS = (
    "connect",
    "organisations",
    "feeds",
    "records",
    "runs",
    "events",
    "vanished",
    "tables",
    "sync-now",
    "sync-all",
    "sync-full",
    "migrate",
    "doctor",
    "run",
    "demo",
)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {
        "LEDGERTIDE_DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite",
        "LEDGERTIDE_REDIS_URL": "redis://:planted-redis-password@127.0.0.1:1/0",
        "LEDGERTIDE_SECRET_KEYS": Fernet.generate_key().decode(),
        "LEDGERTIDE_XERO_CLIENT_ID": "an-app",
        "LEDGERTIDE_XERO_CLIENT_SECRET": "planted-client-secret",
    }


def refusal(ended: Ended, status: int) -> str:
    """What was said on stderr by a command that ended as it should."""
    assert ended.status == status, ended.err
    assert "Traceback" not in ended.err
    assert ended.err.startswith("ledgertide: ")
    return ended.err


def test_the_help_names_every_command(operator: Operator) -> None:
    ended = operator.types("--help")

    assert ended.status == 0
    assert [name for name in COMMANDS if name not in ended.out] == []


def test_a_misspelt_command_is_answered_with_the_nearest_one(operator: Operator) -> None:
    said = refusal(operator.types("feedz"), 2)

    assert "feeds" in said
    assert len(said.splitlines()) == 1


def test_missing_settings_are_named_all_at_once(operator: Operator) -> None:
    said = refusal(operator.types("feeds"), 2)

    assert "LEDGERTIDE_DATABASE_URL is missing" in said
    assert "LEDGERTIDE_XERO_CLIENT_SECRET is missing" in said


def test_a_malformed_setting_is_named_and_its_value_is_not(
    operator: Operator, settings: dict[str, str]
) -> None:
    settings["LEDGERTIDE_REDIS_URL"] = "http://:planted-redis-password@localhost"

    said = refusal(operator.types("feeds", **settings), 2)

    assert "LEDGERTIDE_REDIS_URL is malformed" in said
    assert "planted" not in said


def test_as_a_process_it_warns_of_a_misspelt_setting_and_names_the_nearest(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ledgertide", "migrate"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment_with({**settings, "LEDGERTIDE_FLOWER_PROT": "5556"}),
        check=False,
    )

    assert ended.returncode == 0
    assert "LEDGERTIDE_FLOWER_PORT" in ended.stderr


def test_a_database_that_was_not_migrated_says_how_to(operator: Operator, settings: dict[str, str]) -> None:
    assert "ledgertide migrate" in refusal(operator.types("feeds", **settings), 1)


def test_a_database_that_cannot_be_reached_is_a_sentence(
    operator: Operator, settings: dict[str, str]
) -> None:
    settings["LEDGERTIDE_DATABASE_URL"] = "postgresql://someone:planted-password@127.0.0.1:1/none"

    said = refusal(operator.types("feeds", **settings), 1)

    assert "LEDGERTIDE_DATABASE_URL" in said
    assert "planted" not in said


def test_migrating_again_changes_nothing(operator: Operator, settings: dict[str, str]) -> None:
    first = operator.types("migrate", **settings)
    second = operator.types("migrate", **settings)

    assert (first.status, second.status) == (0, 0)
    assert "xero_contacts" in first.out
    assert "xero_contacts" not in second.out


def test_without_organisations_it_says_how_to_connect_one(
    operator: Operator, settings: dict[str, str]
) -> None:
    operator.types("migrate", **settings)

    assert "ledgertide connect xero" in operator.types("organisations", **settings).out
    assert "none is connected yet" in refusal(operator.types("feeds", "acme", **settings), 1)


@pytest.mark.parametrize(
    ("words", "given", "status", "said"),
    [
        (["connect", "zero", "--refresh-token-stdin"], "t", 1, "Did you mean xero?"),
        (["connect", "xero"], "", 2, "--refresh-token-stdin"),
        (["connect", "xero", "--refresh-token-stdin"], "\n", 2, "no refresh token"),
    ],
)
def test_connecting_without_what_it_needs_is_refused(
    operator: Operator, settings: dict[str, str], words: list[str], given: str, status: int, said: str
) -> None:
    operator.types("migrate", **settings)

    ended = operator.types(*words, "--name", "Acme", "--tenant-id", "t-1", given=given, **settings)

    assert said in refusal(ended, status)


def test_a_refresh_token_is_no_option(operator: Operator) -> None:
    refusal(operator.types("connect", "xero", "--refresh-token", "planted"), 2)


def test_a_doctor_without_settings_says_what_is_missing(operator: Operator) -> None:
    ended = operator.types("doctor")

    assert ended.status == 1
    assert "LEDGERTIDE_REDIS_URL is missing" in ended.out


def test_a_doctor_names_each_trouble_and_never_a_secret(operator: Operator, settings: dict[str, str]) -> None:
    settings |= {
        "LEDGERTIDE_XERO_API_URL": "http://127.0.0.1:1",
        "LEDGERTIDE_XERO_IDENTITY_URL": "http://127.0.0.1:1",
    }

    ended = operator.types("doctor", **settings)

    assert ended.status == 1
    assert "ledgertide migrate" in ended.out
    assert "LEDGERTIDE_REDIS_URL" in ended.out
    assert "LEDGERTIDE_XERO_API_URL" in ended.out
    assert "planted" not in ended.out + ended.err


def test_a_demo_does_not_empty_a_folder_of_somebody_else(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    said = refusal(operator.types("demo", "--folder", str(tmp_path)), 1)

    assert "choose another --folder" in said
    assert (tmp_path / "thesis.txt").exists()
