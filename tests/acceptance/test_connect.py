"""`ledgertide connect`: an existing grant comes in once, is checked, and serves whom it reaches."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select, update

from config.settings import load_settings
from ledgertide.connect import _replace
from sandbox.testing import Sandbox
from store import grants, organisations
from store.database import Database
from store.grants import Vault
from store.models import audit
from store.models import grants as grant_rows
from sync.services import SHAPES, open_services
from tests.services.installation import environment_for
from tests.services.operator import Operator, operator
from tests.services.terminal import Ended

__all__ = ["operator"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=3) as started:
        yield started


class Terminal:
    """An operator of one installation, and a look into its database."""

    def __init__(self, operator: Operator, environment: dict[str, str], sandbox: Sandbox) -> None:
        self._operator = operator
        self.environment = environment
        self.sandbox = sandbox
        self.database = Database(environment["LEDGERTIDE_DATABASE_URL"])

    def connects(self, name: str, tenant_id: str, *words: str, token: str | None = None) -> Ended:
        source = () if token is None else ("--refresh-token-stdin",)
        options = ("--name", name, "--tenant-id", tenant_id, *source, *words)
        return self._operator.types("connect", "xero", *options, given=f"{token}\n", **self.environment)

    def token_of(self, tenant_id: str) -> str:
        grants = self.sandbox.grants()["grants"]
        return str(next(one for one in grants if tenant_id in str(one["tenants"]))["refresh_token"])

    def rows(self, table: Any) -> list[Any]:
        with self.database.reading() as tx:
            return list(tx.execute(select(table)).all())

    def connections(self) -> dict[str, organisations.Link]:
        with self.database.reading() as tx:
            return {link.tenant_id: link for link in organisations.every_link(tx)}


@pytest.fixture
def terminal(database_url: str, redis_url: str, sandbox: Sandbox, operator: Operator) -> Iterator[Terminal]:
    opened = Terminal(operator, environment_for(database_url, redis_url, sandbox), sandbox)
    yield opened
    opened.database.close()


@pytest.fixture
def pair(sandbox: Sandbox) -> tuple[str, str]:
    """Two tenants of one grant."""
    tenants = next(one["tenants"] for one in sandbox.grants()["grants"] if len(one["tenants"]) > 1)
    return tenants[0]["tenant_id"], tenants[1]["tenant_id"]


@pytest.fixture
def stranger(sandbox: Sandbox, pair: tuple[str, str]) -> str:
    """A tenant of another grant."""
    return str(next(one["tenant_id"] for one in sandbox.tenants() if one["tenant_id"] not in pair))


def test_a_grant_is_imported_with_its_feeds_and_its_token_is_seen_nowhere(
    terminal: Terminal, pair: tuple[str, str]
) -> None:
    token = terminal.token_of(pair[0])

    ended = terminal.connects("Acme Limited", pair[0], "--day-limit", "1000", token=token)

    assert ended.status == 0, ended.err
    assert "acme-limited" in ended.out
    assert terminal.connections()[pair[0]].day_limit == 1000
    feeds = terminal._operator.types("feeds", "acme-limited", "--json", **terminal.environment)
    assert all(resource in feeds.out for resource in SHAPES if resource.startswith("xero."))
    seen = ended.out + ended.err + str(terminal.rows(audit)) + str(terminal.rows(grant_rows))
    assert token not in seen
    assert terminal.token_of(pair[0]) not in seen


@pytest.mark.parametrize("how", ["by naming the organisation", "by the same consent again"])
def test_two_tenants_of_one_consent_share_one_grant(
    terminal: Terminal, pair: tuple[str, str], stranger: str, how: str
) -> None:
    first, second = pair
    given = terminal.token_of(first)
    assert terminal.connects("First", first, token=given).status == 0

    if how == "by naming the organisation":
        ended = terminal.connects("Second", second, "--grant-of", "first")
    else:
        ended = terminal.connects("Second", second, token=given)
    other = terminal.connects("Other", stranger, token=terminal.token_of(stranger))

    assert (ended.status, other.status) == (0, 0), ended.err
    links = terminal.connections()
    assert links[first].grant_id == links[second].grant_id != links[stranger].grant_id
    assert len(terminal.rows(grant_rows)) == 2


def test_a_grant_that_does_not_reach_the_tenant_is_refused_and_says_whom_it_reaches(
    terminal: Terminal, pair: tuple[str, str], stranger: str
) -> None:
    token = terminal.token_of(pair[0])

    refused = terminal.connects("Acme", stranger, token=token)

    assert refused.status == 1
    assert pair[0] in refused.err
    assert terminal.rows(grant_rows) == []
    assert terminal.connects("Acme", pair[0], token=token).status == 0, "the token can be given again"


def test_a_taken_tenant_or_name_is_refused_before_the_token_is_spent(
    terminal: Terminal, pair: tuple[str, str], stranger: str
) -> None:
    terminal.connects("First", pair[0], token=terminal.token_of(pair[0]))
    token = terminal.token_of(stranger)

    taken_tenant = terminal.connects("Somebody Else", pair[0], token=token)
    taken_name = terminal.connects("First", stranger, token=token)

    assert (taken_tenant.status, taken_name.status) == (1, 1)
    assert "--name first" in taken_tenant.err
    assert terminal.token_of(stranger) == token


def test_a_new_consent_brings_back_every_connection_that_it_reaches(
    terminal: Terminal, pair: tuple[str, str], stranger: str
) -> None:
    terminal.connects("First", pair[0], token=terminal.token_of(pair[0]))
    terminal.connects("Second", pair[1], "--grant-of", "first")
    terminal.connects("Other", stranger, token=terminal.token_of(stranger))
    vault = Vault([terminal.environment["LEDGERTIDE_SECRET_KEYS"]])
    with terminal.database.transaction() as tx:
        for link in organisations.every_link(tx):
            grants.kill(tx, grants.load(tx, vault, link.grant_id))

    ended = terminal.connects("first", pair[0], token=terminal.token_of(pair[0]))

    assert ended.status == 0, ended.err
    states = {tenant: link.state for tenant, link in terminal.connections().items()}
    assert states == {pair[0]: "connected", pair[1]: "connected", stranger: "expired"}


def test_a_grant_whose_key_is_lost_blocks_nobody_and_is_cured_by_connecting_again(
    terminal: Terminal, pair: tuple[str, str], stranger: str
) -> None:
    terminal.connects("First", pair[0], token=terminal.token_of(pair[0]))
    terminal.connects("Second", pair[1], "--grant-of", "first")
    lost = terminal.connections()[pair[0]].grant_id
    sealed = Vault([Fernet.generate_key().decode()]).seal(SecretStr("access"), SecretStr("refresh"))
    with terminal.database.transaction() as tx:
        tx.execute(update(grant_rows).where(grant_rows.c.id == lost).values(sealed_pair=sealed))

    of_lost = terminal.connects("Second", pair[1], "--grant-of", "first")
    other = terminal.connects("Other", stranger, token=terminal.token_of(stranger))
    cured = terminal.connects("first", pair[0], token=terminal.token_of(pair[0]))

    links = terminal.connections()
    assert (of_lost.status, other.status, cured.status) == (1, 0, 0), other.err + cured.err
    assert "cannot be opened" in of_lost.err
    assert links[pair[0]].grant_id == links[pair[1]].grant_id not in (lost, links[stranger].grant_id)
    vault = Vault([terminal.environment["LEDGERTIDE_SECRET_KEYS"]])
    with terminal.database.reading() as tx:
        kept = grants.load(tx, vault, links[pair[1]].grant_id).refresh_token
    assert kept.get_secret_value() == terminal.token_of(pair[0])


def test_nobody_is_connected_by_the_dead_grant_of_another(terminal: Terminal, pair: tuple[str, str]) -> None:
    terminal.connects("First", pair[0], token=terminal.token_of(pair[0]))
    vault = Vault([terminal.environment["LEDGERTIDE_SECRET_KEYS"]])
    with terminal.database.transaction() as tx:
        grants.kill(tx, grants.load(tx, vault, terminal.connections()[pair[0]].grant_id))

    refused = terminal.connects("Second", pair[1], "--grant-of", "first")

    assert refused.status == 1
    assert "connect the organisation again" in refused.err
    assert set(terminal.connections()) == {pair[0]}


def test_a_pair_brought_in_while_a_worker_refreshes_the_old_one_is_kept_and_renewed_first(
    terminal: Terminal, pair: tuple[str, str]
) -> None:
    terminal.connects("First", pair[0], token=terminal.token_of(pair[0]))
    services = open_services(load_settings(terminal.environment))
    known = services.tokens.load(terminal.connections()[pair[0]].grant_id)
    theirs = services.provider("xero").identity.refresh(known.refresh_token)
    ours = services.provider("xero").identity.refresh(known.refresh_token)

    with services.database.transaction() as tx:
        for fresh in (theirs, ours):  # the second finds that what it read was replaced
            _replace(tx, services, known, fresh)

    kept = services.tokens.load(known.id)
    assert kept.refresh_token == ours.refresh_token
    assert not kept.lasts(timedelta(0))
    renewed = services.tokens.valid(known.id)
    services.close()
    assert renewed.refresh_token.get_secret_value() == terminal.token_of(pair[0])


def test_a_dead_token_is_a_sentence(terminal: Terminal, pair: tuple[str, str]) -> None:
    ended = terminal.connects("Acme", pair[0], token="used-up-long-ago")

    assert ended.status == 1
    assert "Connect again" in ended.err
    assert "used-up-long-ago" not in ended.err
    assert terminal.connections() == {}


def test_dext_is_put_beside_an_organisation_by_its_slug(terminal: Terminal, pair: tuple[str, str]) -> None:
    assert terminal.connects("Acme Limited", pair[0], token=terminal.token_of(pair[0])).status == 0
    (mine,) = (one for one in terminal.sandbox.dext_grants()["accounts"] if one["tenant_id"] == pair[0])
    types = terminal._operator.types
    words = ("dext", "--name", "acme-limited", "--refresh-token-stdin")

    ended = types("connect", *words, given=f"{mine['refresh_token']}\n", **terminal.environment)

    assert ended.status == 0, ended.err
    (told,) = json.loads(types("organisations", "--json", **terminal.environment).out)
    assert {name: facts["state"] for name, facts in told["connections"].items()} == {
        "xero": "connected",
        "dext": "connected",
    }
    assert told["connections"]["dext"]["tenant_id"] == mine["account_id"]
    assert told["connections"]["dext"]["expires_at"] is not None
    assert json.loads(types("items", "acme-limited", "--json", **terminal.environment).out) == []
    refused = types("file", "acme-limited", "1", **terminal.environment)
    assert (refused.status, refused.out) == (1, "")
    assert "it has not been fetched, or there is none" in refused.err
