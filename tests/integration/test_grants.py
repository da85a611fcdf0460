"""P10: a grant is never lost, whoever dies on the way, and only what is really dead stops anything."""

import io
import logging
import signal
import traceback
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import select

from connectors.errors import ConfigurationError, ConnectorError, GrantLostError
from sandbox.testing import Sandbox
from store import grants, organisations, status
from store.grants import REFRESH_LEASE, SealError, Vault
from store.models import grants as grant_rows
from sync.run import run_slice
from sync.services import Pace, Services, open_services
from tests.integration.engine import Engine, engine
from tests.integration.grant_holder import holder

RESOURCES = ["xero.contacts", "xero.quotes"]
# By then an access token of 30 minutes has less left than a run wants.
NEARLY_EXPIRED = timedelta(minutes=26)
GRACE = timedelta(minutes=30)
A_MOMENT = timedelta(seconds=1)


def grant_id_of(engine: Engine, slug: str) -> str:
    with engine.services.database.reading() as tx:
        return organisations.links(tx, organisations.find(tx, slug).id)[0].grant_id


def row_of(engine: Engine, grant_id: str) -> Any:
    with engine.services.database.reading() as tx:
        return tx.execute(select(grant_rows).where(grant_rows.c.id == grant_id)).one()


def stored_refresh_token(engine: Engine, grant_id: str) -> str:
    return engine.services.tokens.load(grant_id).refresh_token.get_secret_value()


def current_at_provider(sandbox: Sandbox, number: int = 0) -> str:
    return str(sandbox.grants()["grants"][number]["refresh_token"])


def connection_state(engine: Engine, slug: str) -> str:
    with engine.services.database.reading() as tx:
        return organisations.links(tx, organisations.find(tx, slug).id)[0].state


def calls_to(sandbox: Sandbox, endpoint: str, after: int = 0) -> list[dict[str, Any]]:
    return [call for call in sandbox.calls(after) if call["endpoint"] == endpoint]


def renewed_elsewhere(engine: Engine, number: int = 0) -> None:
    """Somebody else rotates the grant, and the pair we hold dies of it."""
    engine.sandbox.refresh(current_at_provider(engine.sandbox, number))
    engine.sandbox.advance((GRACE + A_MOMENT).total_seconds())
    engine.pass_time(GRACE + A_MOMENT)


def test_a_refreshed_pair_is_saved_for_everybody_before_it_is_used(whole_engine: Engine) -> None:
    one, same, other = whole_engine.connect(resources=RESOURCES, organisations_wanted=3)
    grant_id, others = grant_id_of(whole_engine, one), grant_id_of(whole_engine, other)
    before = stored_refresh_token(whole_engine, grant_id)

    whole_engine.pass_time(NEARLY_EXPIRED)
    outcomes = whole_engine.sync(one, "xero.contacts") + whole_engine.sync(same, "xero.contacts")

    assert [outcome.state for outcome in outcomes] == ["done", "done"]
    assert grant_id_of(whole_engine, same) == grant_id
    assert stored_refresh_token(whole_engine, grant_id) == current_at_provider(whole_engine.sandbox) != before
    row = row_of(whole_engine, grant_id)
    assert (row.version, row.refresh_lease_until, row.refresh_intent_at) == (2, None, None)
    assert row_of(whole_engine, others).version == 1


def test_a_worker_killed_between_the_answer_and_our_commit_loses_no_grant(whole_engine: Engine) -> None:
    one, same = whole_engine.connect(resources=RESOURCES)
    grant_id = grant_id_of(whole_engine, one)
    before = stored_refresh_token(whole_engine, grant_id)
    whole_engine.pass_time(NEARLY_EXPIRED)
    services = whole_engine.services
    offset = services.database.clock_offset

    with holder(services.settings, grant_id, stop="after the answer", offset=offset) as killed:
        assert killed.said() == "answered"
        assert killed.kill() == -signal.SIGKILL
    left_behind = row_of(whole_engine, grant_id)
    whole_engine.pass_time(REFRESH_LEASE + A_MOMENT)
    outcomes = whole_engine.sync(one, "xero.contacts") + whole_engine.sync(same, "xero.quotes")

    # The provider has rotated, we still hold the old token, and it is known that something was under way.
    assert (left_behind.version, left_behind.refresh_intent_at is not None) == (1, True)
    assert left_behind.refresh_lease_until > left_behind.refresh_intent_at
    assert [outcome.state for outcome in outcomes] == ["done", "done"]
    assert stored_refresh_token(whole_engine, grant_id) == current_at_provider(whole_engine.sandbox) != before
    assert row_of(whole_engine, grant_id).refresh_intent_at is None


def test_an_answer_lost_on_its_way_costs_no_grant(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=RESOURCES)
    grant_id = grant_id_of(whole_engine, one)
    whole_engine.pass_time(NEARLY_EXPIRED)
    whole_engine.sandbox.faults("lost_answer", endpoint="token")

    lost = whole_engine.sync(one, "xero.contacts")
    while_away = (connection_state(whole_engine, one), row_of(whole_engine, grant_id))
    again = whole_engine.sync(one, "xero.contacts")

    assert [(outcome.state, outcome.reason) for outcome in lost] == [("snoozed", "back-off")]
    assert while_away[0] == "connected"
    assert (while_away[1].version, while_away[1].refresh_intent_at is not None) == (1, True)
    assert [outcome.state for outcome in again] == ["done"]
    assert stored_refresh_token(whole_engine, grant_id) == current_at_provider(whole_engine.sandbox)


def test_eight_threads_in_two_processes_refresh_an_expired_token_exactly_once(whole_engine: Engine) -> None:
    one, _, other = whole_engine.connect(resources=RESOURCES, organisations_wanted=3)
    grant_id, others = grant_id_of(whole_engine, one), grant_id_of(whole_engine, other)
    whole_engine.pass_time(NEARLY_EXPIRED)
    settings, offset = whole_engine.services.settings, whole_engine.services.database.clock_offset
    before = whole_engine.sandbox.last_call()

    with ExitStack() as running:
        racers = [
            running.enter_context(holder(settings, grant_id, threads=4, offset=offset)) for _ in range(2)
        ]
        assert [racer.said() for racer in racers] == ["ready", "ready"]
        for racer in racers:
            racer.go_on()
        got = [racer.said() for racer in racers for _ in range(4)]

    assert got == ["version 2 reaches 2"] * 8
    assert [call["status"] for call in calls_to(whole_engine.sandbox, "token", before)] == [200]
    assert stored_refresh_token(whole_engine, grant_id) == current_at_provider(whole_engine.sandbox)
    assert row_of(whole_engine, others).version == 1


def test_a_zombie_that_saves_late_does_not_overwrite_the_newer_pair(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=RESOURCES)
    grant_id = grant_id_of(whole_engine, one)
    whole_engine.pass_time(NEARLY_EXPIRED)
    services = whole_engine.services
    offset = services.database.clock_offset

    with holder(services.settings, grant_id, stop="after the answer", offset=offset) as zombie:
        assert zombie.said() == "answered"
        whole_engine.pass_time(REFRESH_LEASE + A_MOMENT)
        newer = services.tokens.valid(grant_id)
        zombie.go_on()
        heard = zombie.said()

    assert heard == "version 2 reaches 2"
    assert row_of(whole_engine, grant_id).version == newer.version == 2
    assert stored_refresh_token(whole_engine, grant_id) == newer.refresh_token.get_secret_value()
    assert stored_refresh_token(whole_engine, grant_id) == current_at_provider(whole_engine.sandbox)


def test_a_refusal_is_not_believed_when_somebody_has_replaced_the_pair(whole_engine: Engine) -> None:
    one, same = whole_engine.connect(resources=RESOURCES)
    grant_id = grant_id_of(whole_engine, one)
    whole_engine.pass_time(NEARLY_EXPIRED)
    services = whole_engine.services
    offset = services.database.clock_offset
    before = whole_engine.sandbox.last_call()

    with holder(services.settings, grant_id, stop="before sending", offset=offset) as late:
        assert late.said() == "about to send"
        whole_engine.pass_time(REFRESH_LEASE + A_MOMENT)
        services.tokens.valid(grant_id)
        whole_engine.sandbox.advance((GRACE + A_MOMENT).total_seconds())
        services.tokens.renewed(services.tokens.load(grant_id))
        late.go_on()
        heard = late.said()

    statuses = [call["status"] for call in calls_to(whole_engine.sandbox, "token", before)]
    assert statuses == [200, 200, 400]
    assert heard == "version 3 reaches 2"
    assert row_of(whole_engine, grant_id).dead_at is None
    assert {connection_state(whole_engine, slug) for slug in (one, same)} == {"connected"}


def test_a_dead_grant_stops_all_its_connections_until_somebody_connects_again(whole_engine: Engine) -> None:
    one, same, other = whole_engine.connect(resources=RESOURCES, organisations_wanted=3)
    whole_engine.settle()
    renewed_elsewhere(whole_engine)
    changed = whole_engine.sandbox.edit(whole_engine.tenants[same], "xero.contacts", count=1)

    outcomes = whole_engine.sync(one, "xero.contacts")
    stopped = {
        slug: (connection_state(whole_engine, slug), stated(whole_engine, slug)) for slug in (one, same)
    }
    waiting = whole_engine.press(same, "xero.contacts")
    whole_engine.work(list(waiting.messages))
    again = whole_engine.press(same, "xero.contacts")
    whole_engine.pass_time(timedelta(hours=3))
    before = whole_engine.sandbox.last_call()
    whole_engine.settle()
    while_dead = whole_engine.sandbox.calls(before)

    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [("snoozed", "grant expired")]
    assert set(stopped.values()) == {("expired", ("disconnected", "grant expired"))}
    assert (again.reason, again.waits_until, again.messages) == ("grant expired", None, ())
    assert {call["tenant"] for call in while_dead if call["tenant"]} == {whole_engine.tenants[other]}
    assert stated(whole_engine, other) == ("up to date", None)

    before = whole_engine.sandbox.last_call()
    whole_engine.connect(resources=RESOURCES, organisations_wanted=3)
    whole_engine.settle()

    reads = [
        call
        for call in calls_to(whole_engine.sandbox, "Contacts", before)
        if call["tenant"] == whole_engine.tenants[same]
    ]
    assert connection_state(whole_engine, same) == "connected"
    assert press_is_done(whole_engine, same, waiting.id)
    assert press_is_done(whole_engine, same, again.id)
    # From the cursor on: what was changed, and the few around it, and not the list from its beginning.
    assert reads
    assert reads[0]["if_modified_since"]
    assert sum(call["rows"] for call in reads) < len(whole_engine.stored(same, "xero.contacts")) / 2
    assert changed[0] in whole_engine.stored(same, "xero.contacts")
    assert {stated(whole_engine, slug) for slug in (one, same, other)} == {("up to date", None)}


def stated(engine: Engine, slug: str) -> tuple[str, str | None]:
    line = engine.line(slug, "xero.contacts")
    return line.state, line.reason


def press_is_done(engine: Engine, slug: str, press_id: str) -> bool:
    with engine.services.database.reading() as tx:
        return status.press_state(tx.scope(organisations.find(tx, slug).id), press_id).done


def test_an_organisation_that_left_stops_alone(whole_engine: Engine) -> None:
    left, stays = whole_engine.connect(resources=RESOURCES)
    whole_engine.settle()
    whole_engine.sandbox.faults("tenant_removed", tenant=whole_engine.tenants[left])

    outcomes = whole_engine.sync(left, "xero.contacts") + whole_engine.sync(stays, "xero.contacts")
    pressed = whole_engine.press(left, "xero.contacts")

    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [
        ("snoozed", "access removed"),
        ("done", None),
    ]
    assert [connection_state(whole_engine, slug) for slug in (left, stays)] == ["access removed", "connected"]
    assert stated(whole_engine, left) == ("disconnected", "access removed")
    assert pressed.reason == "access removed"
    assert row_of(whole_engine, grant_id_of(whole_engine, left)).dead_at is None

    whole_engine.sandbox.clear_faults()
    whole_engine.connect(resources=RESOURCES)
    whole_engine.settle()
    assert press_is_done(whole_engine, left, pressed.id)


def test_a_403_from_an_organisation_still_listed_passes(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=RESOURCES)
    whole_engine.sandbox.faults("status", status=403, endpoint="Contacts", tenant=whole_engine.tenants[one])

    refused = whole_engine.sync(one, "xero.contacts")
    line = whole_engine.line(one, "xero.contacts")
    again = whole_engine.sync(one, "xero.contacts")

    assert [(outcome.state, outcome.reason) for outcome in refused] == [("snoozed", "back-off")]
    assert line.state == "retrying"
    assert "once" in str(line.error)
    assert {connection_state(whole_engine, slug) for slug in (one, other)} == {"connected"}
    assert [outcome.state for outcome in again] == ["done"]


def test_a_missing_scope_stops_one_resource(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=RESOURCES)
    whole_engine.sandbox.faults("scope", endpoint="Contacts", tenant=whole_engine.tenants[one])

    outcomes = [
        whole_engine.sync(slug, resource)[0].reason for slug in (one, other) for resource in RESOURCES
    ]

    assert outcomes == ["permission missing", None, None, None]
    assert stated(whole_engine, one) == ("action needed", "permission missing")
    assert whole_engine.line(one, "xero.quotes").state == "up to date"
    assert connection_state(whole_engine, one) == "connected"


def test_a_wrong_client_secret_stops_no_connection(whole_engine: Engine) -> None:
    one, same = whole_engine.connect(resources=RESOURCES)
    grant_id = grant_id_of(whole_engine, one)
    whole_engine.pass_time(NEARLY_EXPIRED)
    right = whole_engine.services
    with opened(right, xero_client_secret=SecretStr("not the one")) as wrong:
        whole_engine.services = wrong
        outcomes = whole_engine.sync(one, "xero.contacts")
        line = whole_engine.line(one, "xero.contacts")
    whole_engine.services = right

    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [("snoozed", "back-off")]
    assert "Check the client id, its secret" in str(line.error)
    assert whole_engine.feed(one, "xero.contacts").error_code == "invalid_client"
    assert {connection_state(whole_engine, slug) for slug in (one, same)} == {"connected"}
    assert row_of(whole_engine, grant_id).dead_at is None
    assert whole_engine.sync(one, "xero.contacts")[0].state == "done"


class opened:  # noqa: N801 - reads as what it gives
    """Services that differ from others in some settings, on the same database at the same time."""

    def __init__(self, services: Services, **changes: Any) -> None:
        values = {name: getattr(services.settings, name) for name in type(services.settings).model_fields}
        self._services = open_services(type(services.settings)(**values | changes), pace=services.pace)
        self._services.database.clock_offset = services.database.clock_offset

    def __enter__(self) -> Services:
        return self._services

    def __exit__(self, *_: object) -> None:
        self._services.close()


def test_a_token_that_ends_in_the_middle_of_a_run_is_refreshed_once(
    sandbox: Sandbox, database_url: str, redis_url: str
) -> None:
    one_page_each = Pace(slice=timedelta(0), press_slice=timedelta(0))
    with engine(sandbox, database_url, redis_url, pace=one_page_each) as whole:
        *_, big = whole.connect(resources=["xero.contacts"], organisations_wanted=3)
        first, *rest = whole.press(big, "xero.contacts").messages
        claim = whole.claim(first)
        assert claim
        outcomes = [run_slice(whole.services, claim)]
        sandbox.advance(1801)
        before = sandbox.last_call()
        while outcomes[-1].messages:
            claim = whole.claim(outcomes[-1].messages[0])
            assert claim
            outcomes.append(run_slice(whole.services, claim))

        after = sandbox.calls(before)
        assert rest == []
        assert [outcome.state for outcome in outcomes] == ["continues"] * (len(outcomes) - 1) + ["done"]
        assert len(outcomes) > 2
        assert [call["endpoint"] for call in after if call["endpoint"] == "token"] == ["token"]
        assert [call["status"] for call in after if call["endpoint"] == "Contacts"].count(401) == 1
        assert whole.stored(big, "xero.contacts").keys() == whole.at_provider(big, "xero.contacts").keys()


def test_keys_can_be_rotated_and_the_old_one_dropped(
    database_url: str, sandbox: Sandbox, redis_url: str
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with engine(sandbox, database_url, redis_url) as whole:
        one, other = whole.connect(resources=RESOURCES, organisations_wanted=3)[1:]
        ids = [grant_id_of(whole, slug) for slug in (one, other)]
        pairs = [whole.services.tokens.load(grant_id).refresh_token for grant_id in ids]
        database = whole.services.database
        with database.transaction() as tx:
            for grant_id, pair in zip(ids, pairs, strict=True):
                sealed = Vault([old]).seal(SecretStr("an access token"), pair)
                tx.execute(grant_rows.update().where(grant_rows.c.id == grant_id).values(sealed_pair=sealed))

        with database.transaction() as tx:
            opened_by_both = [grants.load(tx, Vault([new, old]), grant_id).refresh_token for grant_id in ids]
            resealed = [grants.reseal(tx, Vault([new, old])), grants.reseal(tx, Vault([new, old]))]
        with database.reading() as tx:
            opened_by_new = [grants.load(tx, Vault([new]), grant_id).refresh_token for grant_id in ids]
            with pytest.raises(SealError) as refused:
                grants.load(tx, Vault([old]), ids[0])

    assert opened_by_both == opened_by_new == pairs
    assert resealed == [2, 0]
    assert "Put the key it was sealed with back into the list" in str(refused.value)
    assert old not in "".join(traceback.format_exception(refused.value))


def test_a_grant_that_no_key_opens_is_shown_and_stops_no_connection(whole_engine: Engine) -> None:
    one, other = whole_engine.connect(resources=RESOURCES)
    right = whole_engine.services
    with opened(right, secret_keys=Fernet.generate_key().decode()) as wrong:
        whole_engine.services = wrong
        outcomes = whole_engine.sync(one, "xero.contacts")
    whole_engine.services = right

    line = whole_engine.line(one, "xero.contacts")
    assert [(outcome.state, outcome.reason) for outcome in outcomes] == [("snoozed", "back-off")]
    assert "Put the key it was sealed with back" in str(line.error)
    assert {connection_state(whole_engine, slug) for slug in (one, other)} == {"connected"}
    assert whole_engine.sync(one, "xero.contacts")[0].state == "done"


def test_no_token_and_no_secret_is_ever_told(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=RESOURCES)
    services, sandbox = whole_engine.services, whole_engine.sandbox
    grant_id = grant_id_of(whole_engine, one)
    told = io.StringIO()
    secrets = [services.settings.xero_client_secret.get_secret_value(), *_pair(services, grant_id)]
    secrets += [key.get_secret_value() for key in services.settings.secret_keys]
    secrets.append(services.settings.redis_url.get_secret_value().split("@")[0].rsplit(":", 1)[1])

    with everything_logged(told):
        whole_engine.sync(one, "xero.contacts")
        for trouble in ({"kind": "lost_answer"}, {"kind": "html"}, {"kind": "status", "status": 500}):
            whole_engine.pass_time(NEARLY_EXPIRED)
            sandbox.faults(endpoint="token", **trouble)
            told.write(error_of(services, grant_id))
            whole_engine.sync(one, "xero.contacts")
            secrets += _pair(services, grant_id)
        whole_engine.pass_time(NEARLY_EXPIRED)
        with opened(services, xero_client_secret=SecretStr("a wrong secret")) as wrong:
            told.write(error_of(wrong, grant_id, ConfigurationError))
        told.write(repr(services.tokens.load(grant_id)) + repr(services) + repr(services.settings))
        told.write(
            repr(services.provider("xero").identity.refresh(services.tokens.load(grant_id).refresh_token))
        )
        renewed_elsewhere(whole_engine)
        told.write(error_of(services, grant_id, GrantLostError))
        told.write(repr(whole_engine.line(one, "xero.contacts")))

    assert "connect/token" in told.getvalue()
    assert [secret for secret in [*secrets, "a wrong secret"] if secret in told.getvalue()] == []


def _pair(services: Services, grant_id: str) -> list[str]:
    grant = services.tokens.load(grant_id)
    return [grant.access_token.get_secret_value(), grant.refresh_token.get_secret_value()]


def error_of(services: Services, grant_id: str, kind: type[ConnectorError] = ConnectorError) -> str:
    """What a failed refresh says, with all it carries along."""
    with pytest.raises(kind) as failed:
        services.tokens.valid(grant_id)
    told = "".join(traceback.format_exception(failed.value))
    return told + repr(failed.value) + failed.value.sentence + failed.value.provider_words


class everything_logged:  # noqa: N801 - reads as what it does
    """Every log line of every library, from DEBUG on."""

    def __init__(self, told: io.StringIO) -> None:
        self._handler = logging.StreamHandler(told)
        self._root = logging.getLogger()

    def __enter__(self) -> None:
        self._level = self._root.level
        self._root.setLevel(logging.DEBUG)
        self._root.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        self._root.removeHandler(self._handler)
        self._root.setLevel(self._level)
