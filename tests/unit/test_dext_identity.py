"""Dext's identity service: what a refresh and a revocation give, and what no answer gives away."""

from datetime import timedelta

import pytest
import responses
from pydantic import SecretStr

from config.dext import DextSettings
from connectors.dext import DextIdentity
from connectors.errors import ConfigurationError, GrantLostError, TransientError, UnsupportedError

TOKEN_URL, REVOKE_URL = "https://dext.test/oauth/token", "https://dext.test/oauth/revoke"
OLD = SecretStr("the-old-refresh-token")


def identity(**more: object) -> DextIdentity:
    given = {"dext_client_id": "us", "dext_client_secret": "the-secret", "dext_token_url": TOKEN_URL}
    return DextIdentity(DextSettings(dext_base_url="https://dext.test", **given, **more))


@responses.activate
def test_a_pair_without_an_end_or_a_new_refresh_token_lasts_an_hour_and_keeps_the_old_one():
    responses.post(TOKEN_URL, json={"access_token": "new", "token_type": "Bearer", "expires_in": None})

    pair = identity().refresh(OLD)

    assert pair.expires_in == timedelta(hours=1)
    assert pair.refresh_token == OLD
    assert pair.access_token.get_secret_value() == "new"


@responses.activate
def test_a_rotated_refresh_token_takes_the_place_of_the_old_one():
    responses.post(TOKEN_URL, json={"access_token": "new", "refresh_token": "newer", "expires_in": 600})

    pair = identity(dext_client_auth="client_secret_post").refresh(OLD)

    assert pair.refresh_token.get_secret_value() == "newer"
    assert pair.expires_in == timedelta(minutes=10)
    assert "client_secret=the-secret" in str(responses.calls[0].request.body)


@pytest.mark.parametrize(
    ("body", "error"),
    [({"error": "invalid_grant"}, GrantLostError), ({"error": "invalid_client"}, ConfigurationError)],
)
@responses.activate
def test_only_invalid_grant_ends_the_connection(body, error):
    responses.post(TOKEN_URL, status=400, json=body)

    with pytest.raises(error) as refused:
        identity().refresh(OLD)

    assert OLD.get_secret_value() not in str(vars(refused.value))


@responses.activate
def test_a_token_that_stays_is_never_refreshed():
    with pytest.raises(GrantLostError):
        identity(dext_auth_mode="static_bearer").refresh(OLD)

    assert len(responses.calls) == 0


@responses.activate
def test_a_consent_is_revoked_by_its_refresh_token():
    responses.post(REVOKE_URL)

    identity(dext_revoke_url=REVOKE_URL).revoke(OLD)

    assert "token=the-old-refresh-token" in str(responses.calls[0].request.body)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, '{"error":"invalid_client"}', ConfigurationError),
        (400, "no", TransientError),
        (503, "", TransientError),
    ],
)
@responses.activate
def test_a_revocation_that_fails_says_so(status, body, error):
    responses.post(REVOKE_URL, status=status, body=body)

    with pytest.raises(error):
        identity(dext_revoke_url=REVOKE_URL).revoke(OLD)


def test_without_an_address_nothing_can_be_revoked():
    with pytest.raises(UnsupportedError):
        identity().revoke(OLD)
