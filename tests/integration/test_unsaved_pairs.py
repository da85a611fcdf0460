"""P10: a pair that the provider gave while the database was away is kept until it can be saved."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from connectors.oauth import TokenPair, XeroIdentity
from connectors.transport import Transport
from store.database import DatabaseUnavailableError
from store.grants import REFRESH_LEASE
from sync.grants import Tokens
from tests.integration.engine import Engine
from tests.integration.test_grants import (
    A_MOMENT,
    GRACE,
    NEARLY_EXPIRED,
    calls_to,
    connection_state,
    current_at_provider,
    grant_id_of,
    row_of,
    stored_refresh_token,
)
from tests.services.outage import Outage, outage_of

RESOURCES = ["xero.contacts"]


class Answering(XeroIdentity):
    """The real identity service's client, and something that happens once its answer has come."""

    then: Callable[[], None] | None = None

    def refresh(self, refresh_token: SecretStr) -> TokenPair:
        pair = super().refresh(refresh_token)
        if self.then:
            self.then()
        return pair


@pytest.fixture
def outage(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    monkeypatch.setattr("store.database.BUSY_TIMEOUT", timedelta(seconds=0.1))
    with outage_of(database_url) as made:
        yield made


@pytest.fixture
def tokens(outage: Outage, whole_engine: Engine) -> Iterator[Tokens]:
    """A worker's tokens; the database goes away just when the provider's answer has come."""
    services = whole_engine.services
    settings, transport = services.settings, Transport()
    identity = Answering(
        settings.xero_identity_url,
        settings.xero_api_url,
        settings.xero_client_id,
        settings.xero_client_secret,
        transport,
    )
    identity.then = outage.begin
    yield Tokens(services.database, services.vault, {"xero": identity})
    transport.close()


def test_a_pair_that_could_not_be_saved_is_saved_before_the_provider_is_asked_again(
    whole_engine: Engine, tokens: Tokens, outage: Outage
) -> None:
    one, _, other = whole_engine.connect(resources=RESOURCES, organisations_wanted=3)
    grant_id, others = grant_id_of(whole_engine, one), grant_id_of(whole_engine, other)
    whole_engine.pass_time(NEARLY_EXPIRED)
    before = whole_engine.sandbox.last_call()

    for _ in range(2):  # at the moment itself, and at the next use while it is still away
        with pytest.raises(DatabaseUnavailableError):
            tokens.valid(grant_id)
    outage.end()
    left_behind = row_of(whole_engine, grant_id)
    # By now the pair that is stored is dead, and only the one in the worker's hands can save the grant.
    whole_engine.sandbox.advance((GRACE + A_MOMENT).total_seconds())
    whole_engine.pass_time(REFRESH_LEASE + A_MOMENT)
    tokens.load(others)

    assert (left_behind.version, left_behind.refresh_intent_at is not None) == (1, True)
    assert [call["status"] for call in calls_to(whole_engine.sandbox, "token", before)] == [200]
    assert row_of(whole_engine, grant_id).version == 2
    assert stored_refresh_token(whole_engine, grant_id) == current_at_provider(whole_engine.sandbox)
    assert whole_engine.sync(one, "xero.contacts")[0].state == "done"
    assert connection_state(whole_engine, one) == "connected"
    assert row_of(whole_engine, others).version == 1


def test_a_renewal_that_was_wanted_uses_the_kept_pair(
    whole_engine: Engine, tokens: Tokens, outage: Outage
) -> None:
    one, _ = whole_engine.connect(resources=RESOURCES)
    read = tokens.load(grant_id_of(whole_engine, one))
    before = whole_engine.sandbox.last_call()

    with pytest.raises(DatabaseUnavailableError):
        tokens.renewed(read)
    outage.end()
    whole_engine.pass_time(REFRESH_LEASE + A_MOMENT)
    renewed = tokens.renewed(read)

    assert (renewed.version, renewed.refresh_token.get_secret_value()) == (
        2,
        current_at_provider(whole_engine.sandbox),
    )
    assert [call["status"] for call in calls_to(whole_engine.sandbox, "token", before)] == [200]


def test_a_kept_pair_gives_way_to_one_that_somebody_saved_since(
    whole_engine: Engine, tokens: Tokens, outage: Outage
) -> None:
    one, _ = whole_engine.connect(resources=RESOURCES)
    grant_id = grant_id_of(whole_engine, one)
    whole_engine.pass_time(NEARLY_EXPIRED)

    with pytest.raises(DatabaseUnavailableError):
        tokens.valid(grant_id)
    outage.end()
    whole_engine.pass_time(REFRESH_LEASE + A_MOMENT)
    theirs = whole_engine.services.tokens.valid(grant_id)
    ours = tokens.load(grant_id)

    assert (ours.version, ours.refresh_token) == (theirs.version, theirs.refresh_token)
    assert ours.refresh_token.get_secret_value() == current_at_provider(whole_engine.sandbox)
