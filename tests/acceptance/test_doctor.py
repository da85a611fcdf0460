"""`ledgertide doctor` names each thing that is wrong, and says what to do."""

from collections.abc import Iterator

import pytest
import redis
from cryptography.fernet import Fernet

from sandbox.testing import Sandbox
from tests.services.installation import environment_for
from tests.services.operator import Operator, operator

__all__ = ["operator"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=2) as started:
        yield started


@pytest.fixture
def environment(database_url: str, redis_url: str, sandbox: Sandbox) -> dict[str, str]:
    """A set-up that was migrated, whose processes nobody has started."""
    return environment_for(database_url, redis_url, sandbox)


def findings(operator: Operator, environment: dict[str, str], *words: str) -> dict[str, str]:
    """What is said of each check, by its name."""
    ended = operator.types("doctor", *words, **environment)
    assert ended.status == 1, ended.out
    lines = [line for line in ended.out.splitlines() if line[:5] in ("ok   ", "WRONG")]
    return {line[7:].partition(":")[0]: line[:5].strip() + line[7:].partition(":")[2] for line in lines}


def test_processes_that_nobody_started_are_named(operator: Operator, environment: dict[str, str]) -> None:
    found = findings(operator, environment)

    assert found["database"].startswith("ok")
    assert found["xero API"].startswith("ok")
    assert "start the Procfile's `worker`" in found["worker"]
    assert "start the Procfile's `worker_now`" in found["worker_now"]
    assert "start the Procfile's `beat`" in found["beat"]
    assert "start the Procfile's `web`" in found["web"]
    assert "ledgertide connect xero" in found["connections"]


def test_a_redis_that_forgets_is_named(
    operator: Operator, environment: dict[str, str], redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]
        client.config_set("maxmemory-policy", "allkeys-lru")

        found = findings(operator, environment)

        client.config_set("maxmemory-policy", before)

    assert found["redis"].startswith("WRONG")
    assert "set maxmemory-policy to noeviction" in found["redis"]


def test_keys_that_do_not_open_a_grant_are_named(
    operator: Operator, environment: dict[str, str], sandbox: Sandbox
) -> None:
    grant = sandbox.grants()["grants"][0]
    words = ("--name", "Acme", "--tenant-id", grant["tenants"][0]["tenant_id"], "--refresh-token-stdin")
    connected = operator.types("connect", "xero", *words, given=grant["refresh_token"], **environment)
    assert connected.status == 0, connected.err

    found = findings(
        operator, {**environment, "LEDGERTIDE_SECRET_KEYS": Fernet.generate_key().decode()}, "--live", "acme"
    )

    for check in ("keys", "live acme xero"):
        assert found[check].startswith("WRONG")
        assert "LEDGERTIDE_SECRET_KEYS" in found[check]


def test_a_provider_out_of_reach_is_named(operator: Operator, environment: dict[str, str]) -> None:
    found = findings(operator, {**environment, "LEDGERTIDE_XERO_API_URL": "http://127.0.0.1:1"})

    assert "LEDGERTIDE_XERO_API_URL" in found["xero API"]
    assert found["xero identity service"].startswith("ok")
