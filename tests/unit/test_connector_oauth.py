"""What the identity service's answers mean for a grant."""

import base64
import json
import traceback
from datetime import timedelta

import pytest
import requests
import responses
from pydantic import SecretStr

from connectors.errors import (
    BrokenAnswerError,
    ConfigurationError,
    GrantLostError,
    RateLimitedError,
    TokenExpiredError,
    TransientError,
)
from connectors.oauth import Tenant, XeroIdentity

IDENTITY = "https://identity.test"
API = "https://api.test"
TOKEN_URL = f"{IDENTITY}/connect/token"
CONNECTIONS = f"{API}/connections"
SECRETS = ("the-client-secret", "the-old-refresh-token", "the-access-token")

OLD = SecretStr("the-old-refresh-token")

PAIR = {
    "id_token": "an-id-token",
    "access_token": "the-access-token",
    "expires_in": 1800,
    "token_type": "Bearer",
    "refresh_token": "the-new-refresh-token",
    "scope": "offline_access accounting.contacts.read",
}


@pytest.fixture
def identity() -> XeroIdentity:
    return XeroIdentity(IDENTITY, API, "our-app", SecretStr("the-client-secret"))


def refresh(identity: XeroIdentity) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each test says which one it must be
        identity.refresh(OLD)
    return caught.value


@responses.activate
def test_a_refresh_gives_a_new_pair(identity):
    responses.post(TOKEN_URL, json=PAIR)

    pair = identity.refresh(OLD)

    sent = responses.calls[0].request
    assert pair.access_token.get_secret_value() == "the-access-token"
    assert pair.refresh_token.get_secret_value() == "the-new-refresh-token"
    assert pair.expires_in == timedelta(minutes=30)
    assert pair.scope == PAIR["scope"]
    assert sent.headers["Authorization"] == f"Basic {base64.b64encode(b'our-app:the-client-secret').decode()}"
    assert sent.body == "grant_type=refresh_token&refresh_token=the-old-refresh-token"
    assert "the-access-token" not in repr(pair)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, '{"error":"invalid_grant"}', GrantLostError),
        (400, '{"error":"invalid_client"}', ConfigurationError),
        (401, '{"error":"invalid_client"}', ConfigurationError),
        (400, '{"error":"unauthorized_client"}', ConfigurationError),
        (400, '{"error":"invalid_scope"}', ConfigurationError),
        (400, '{"error":"something_new"}', TransientError),
        (400, "<html><title>Bad gateway</title></html>", BrokenAnswerError),
        (200, "", BrokenAnswerError),
        (200, '{"access_token":""}', BrokenAnswerError),
        (200, "[1]", BrokenAnswerError),
        (403, "<html></html>", TransientError),
        (302, "", TransientError),
        (429, "", RateLimitedError),
        (500, '{"error":"server_error"}', TransientError),
        (503, "offline", TransientError),
    ],
)
@responses.activate
def test_only_invalid_grant_means_that_the_grant_is_lost(status, body, error, identity):
    responses.post(TOKEN_URL, status=status, body=body, headers={"Location": API})

    refused = refresh(identity)

    assert type(refused) is error
    assert len(responses.calls) == 1


@responses.activate
def test_an_unreachable_identity_service_is_transient_and_asked_once(identity):
    responses.post(TOKEN_URL, body=requests.ConnectionError("no route"))

    refused = refresh(identity)

    assert isinstance(refused, TransientError)
    assert len(responses.calls) == 1


@responses.activate
def test_no_secret_stands_in_an_error(identity):
    for status, body in [(400, '{"error":"invalid_grant"}'), (400, '{"error":"invalid_client"}'), (500, "")]:
        responses.reset()
        responses.post(TOKEN_URL, status=status, body=body)
        refused = refresh(identity)
        said = "".join(traceback.format_exception(refused)) + str(vars(refused))

        assert not [secret for secret in SECRETS if secret in said]


@responses.activate
def test_connections_list_what_a_token_reaches(identity):
    responses.get(
        CONNECTIONS,
        json=[
            {"id": "con-1", "tenantId": "ten-1", "tenantType": "ORGANISATION", "tenantName": "Demo (NZ)"},
            {"id": "con-2", "tenantId": "ten-2", "tenantType": "PRACTICE", "tenantName": None},
        ],
    )

    reached = identity.connections(SecretStr("the-access-token"))

    assert reached == (
        Tenant("ten-1", "Demo (NZ)", "ORGANISATION", "con-1"),
        Tenant("ten-2", "", "PRACTICE", "con-2"),
    )
    assert "xero-tenant-id" not in responses.calls[0].request.headers


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, json.dumps({"Detail": "TokenExpired: token expired"}), TokenExpiredError),
        (429, "", RateLimitedError),
        (200, "", BrokenAnswerError),
        (200, "[{}]", BrokenAnswerError),
        (200, "{}", BrokenAnswerError),
        (200, "[1]", BrokenAnswerError),
        (503, "", TransientError),
    ],
)
@responses.activate
def test_connections_that_cannot_be_read_are_never_an_empty_list(status, body, error, identity):
    responses.get(CONNECTIONS, status=status, body=body)

    with pytest.raises(error):
        identity.connections(SecretStr("the-access-token"))
