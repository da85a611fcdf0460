"""What every other test relies on: its servers are real, its own, and empty."""

from collections.abc import Callable

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import create_engine, inspect, text

from config.settings import Settings
from ledgertide.embedded.valkey import Valkey
from sandbox.testing import Sandbox
from tests.services.tally import Tally

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_finds_its_redis_empty(redis_url: str, time: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left behind", time)


def test_redis_asks_for_its_password(redis_server: Valkey) -> None:
    once = Retry(NoBackoff(), retries=0)

    with redis.Redis(port=redis_server.port, retry=once) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_finds_its_database_empty(empty_database_url: str, database_kind: str, time: str) -> None:
    engine = create_engine(empty_database_url)

    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
        connection.execute(text("CREATE TABLE left_behind (id INTEGER)"))

    assert engine.dialect.name == database_kind
    engine.dispose()


SKIPPING = "import pytest\ndef test_a(): pytest.skip('no such machine')\ndef test_b(): pass\n"


@pytest.mark.parametrize(("ci", "exit_status"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_the_run_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, exit_status: int
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile(SKIPPING)

    ended = pytester.runpytest_inprocess(plugins=[Tally()])

    assert ended.ret == exit_status
    ended.stdout.fnmatch_lines(["tests per database: sqlite 0, postgresql 0, none 2; skipped: 1"])


def test_a_test_that_needs_two_databases_gets_two(new_database: Callable[[], str]) -> None:
    first, second = create_engine(new_database()), create_engine(new_database())

    with first.begin() as one:
        one.execute(text("CREATE TABLE only_here (id INTEGER)"))

    for engine, expected in ((first, True), (second, False)):
        names = inspect(engine).get_table_names()
        assert "feeds" in names
        assert ("only_here" in names) is expected
        engine.dispose()


def test_the_settings_of_a_test_lead_to_its_own_servers(
    settings: Settings, database_url: str, redis_url: str, sandbox: Sandbox
) -> None:
    assert settings.database_url.get_secret_value() == database_url
    assert settings.redis_url.get_secret_value() == redis_url
    assert settings.xero_api_url == sandbox.url
    assert len(sandbox.tenants()) == 3
