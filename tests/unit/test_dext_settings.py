"""What is not known of Dext is a setting: optional, checked, and handed to limits and paths."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from config.dext import DextSettings
from config.limits import LIMITS, CallClass
from limiter.refusals import pause_after
from limiter.rules import rules


def test_without_an_address_dext_is_not_offered():
    assert not DextSettings().is_dext_offered
    assert DextSettings(dext_base_url="https://d.test", dext_auth_mode="static_bearer").is_dext_offered


def test_an_address_alone_names_what_else_token_pairs_need():
    with pytest.raises(ValidationError, match="LEDGERTIDE_DEXT_TOKEN_URL and LEDGERTIDE_DEXT_CLIENT_SECRET"):
        DextSettings(dext_base_url="https://d.test", dext_client_id="us")


@pytest.mark.parametrize(
    "paths",
    [
        "itmes=GET /v1/items",
        "items=/v1/items",
        "items=GIT /v1/items",
        "item=GET /v1/items",
        "get_list=GET /v1/lists/{id}",
        "account",
    ],
)
def test_a_malformed_path_is_refused(paths):
    with pytest.raises(ValidationError):
        DextSettings(dext_paths=paths)


def test_a_path_that_is_given_takes_the_place_of_the_contracts_own():
    settings = DextSettings(dext_paths="put_list=POST /api/add_{kind}, items=GET /api/receipts")

    assert settings.dext_path("put_list") == ("POST", "/api/add_{kind}")
    assert settings.dext_path("items") == ("GET", "/api/receipts")
    assert settings.dext_path("account") == ("GET", "/v1/account")


def test_the_limits_are_the_settings_and_neither_day_nor_app_ever_binds():
    assert DextSettings().dext_limits() == LIMITS["dext"]
    limits = DextSettings(dext_rate_per_minute=100_000, dext_concurrency=7).dext_limits()

    assert (limits.minute, limits.in_flight) == (100_000, 7)
    assert '"day_leaves": 500000000' in rules(limits, CallClass.SPARE)
    assert limits.day * 0.5 > limits.minute * 24 * 60


def test_a_429_without_retry_after_pauses_the_connection_for_a_minute_or_as_configured():
    assert pause_after("", None, LIMITS["dext"]).wait == timedelta(seconds=60)
    assert pause_after("", None, LIMITS["dext"]).whose == "connection"
    configured = DextSettings(dext_429_fallback=timedelta(seconds=90)).dext_limits()

    assert pause_after("", None, configured).wait == timedelta(seconds=90)
    assert pause_after("", timedelta(seconds=5), configured).wait <= timedelta(seconds=6)


def test_the_limiters_lease_outlives_the_reading_of_a_file():
    assert LIMITS["dext"].lease > DextSettings().dext_file_deadline
