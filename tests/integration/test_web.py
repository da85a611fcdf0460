"""How the house fares, asked over HTTP: one sentence for what is wrong, and numbers for a monitor."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from config.settings import load_settings
from sandbox.testing import Answer, Sandbox
from store.database import Database
from sync.services import Services, open_services
from tests.integration.listening import listening
from tests.integration.workers import wait_until
from tests.integration.worlds import connect_organisation
from tests.services.installation import environment_for

HOURLY = {"xero.invoices": timedelta(hours=1), "xero.contacts": timedelta(hours=2)}
TOKEN = "a token of sixteen letters or more"


@contextmanager
def house(
    sandbox: Sandbox, database_url: str, redis_url: str, **settings: str
) -> Iterator[tuple[Services, Sandbox]]:
    """Services, and somebody who asks at their door."""
    services = open_services(load_settings(environment_for(database_url, redis_url, sandbox, **settings)))
    try:
        with listening(services) as url:
            yield services, Sandbox(url)
    finally:
        services.close()


def test_all_is_well_or_beat_is_missed(database_url: str, redis_url: str, shared_sandbox: Sandbox) -> None:
    with house(shared_sandbox, database_url, redis_url) as (services, client):
        without = client.call("GET", "/healthz")
        services.pulse.beat("beat")
        well = client.call("GET", "/healthz")

    assert without.status == 503
    assert "start the Procfile's `beat`" in without.json()["beat"]
    assert (well.status, well.json()) == (
        200,
        {"ok": True, "database": "fine", "redis": "fine", "beat": "fine"},
    )


def test_what_is_away_is_named_and_nobody_learns_where_it_was(shared_sandbox: Sandbox) -> None:
    away = "postgresql://somebody:hunter2@127.0.0.1:1/nowhere"
    with house(shared_sandbox, away, "redis://:hunter2@127.0.0.1:1/0") as (_, client):
        answer = client.call("GET", "/healthz")
        metrics = numbers(client.call("GET", "/metrics"))

    said = answer.json()
    assert answer.status == 503
    assert said["database"].startswith("The database cannot be reached")
    assert said["redis"].startswith("Redis cannot be reached")
    assert not [word for word in ("hunter2", "somebody", "127.0.0.1") if word in answer.body.decode()]
    assert metrics == {("ledgertide_up", "database"): 0, ("ledgertide_up", "redis"): 0}


def test_the_numbers_are_the_same_whichever_process_is_asked(
    database_url: str, redis_url: str, shared_sandbox: Sandbox
) -> None:
    database = Database(database_url)
    for name in ("one", "two"):
        connect_organisation(database, name, HOURLY)
    database.close()
    with (
        house(shared_sandbox, database_url, redis_url) as (one, first),
        house(shared_sandbox, database_url, redis_url) as (_, second),
    ):
        one.pulse.beat("beat")
        for client in (first, second, second):
            client.call("POST", "/hooks/xero", body=b"{}")
        counted = ("ledgertide_deliveries_total", "forged", "xero")
        wait_until(lambda: numbers(first.call("GET", "/metrics")).get(counted) == 3, "both have counted")
        told = [numbers(client.call("GET", "/metrics")) for client in (first, second)]

    for each in told:
        assert each["ledgertide_feeds", "xero", "never synced"] == 4
        assert each["ledgertide_queue_length", "now"] == 0
        assert each["ledgertide_up", "database"] == each["ledgertide_up", "redis"] == 1
        assert 0 <= each[("ledgertide_beat_age_seconds",)] < 15
        assert each[counted] == 3
        assert each[("ledgertide_notices_waiting",)] == 0


def test_where_a_token_is_set_only_who_shows_it_sees_the_numbers(
    database_url: str, redis_url: str, shared_sandbox: Sandbox
) -> None:
    with house(shared_sandbox, database_url, redis_url, web_metrics_token=TOKEN) as (_, client):
        nobody = client.call("GET", "/metrics")
        wrong = client.call("GET", "/metrics", {"Authorization": "Bearer nonsense"})
        shown = client.call("GET", "/metrics", {"Authorization": f"Bearer {TOKEN}"})

    assert (nobody.status, wrong.status, shown.status) == (401, 401, 200)
    assert nobody.body == b""


def numbers(answer: Answer) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels in the order of their names."""
    assert answer.status == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
