"""The sandbox lets in whom Xero would let in, and turns away the others in Xero's words."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.testing import Answer, Sandbox

MINUTE = 60


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=3) as running:
        yield running


def _grants(sandbox: Sandbox) -> list[dict[str, Any]]:
    return list(sandbox.grants()["grants"])


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_invalid_grant(answer: Answer) -> bool:
    return answer.status == 400 and answer.json() == {"error": "invalid_grant"}


def test_an_exchange_gives_a_new_pair_and_the_access_token_lives_1800_seconds(sandbox):
    first = _grants(sandbox)[0]["refresh_token"]

    answer = sandbox.refresh(first)

    pair = answer.json()
    assert answer.status == 200
    assert set(pair) == {
        "id_token", "access_token", "expires_in", "token_type", "refresh_token", "scope",
    }  # fmt: skip
    assert (pair["expires_in"], pair["token_type"]) == (1800, "Bearer")
    assert pair["refresh_token"] != first
    assert _grants(sandbox)[0]["refresh_token"] == pair["refresh_token"]


def test_the_previous_refresh_token_works_for_30_minutes_and_then_is_an_invalid_grant(sandbox):
    first = _grants(sandbox)[0]["refresh_token"]
    sandbox.refresh(first)

    sandbox.advance(29 * MINUTE)
    within = sandbox.refresh(first)
    sandbox.advance(2 * MINUTE)
    after = sandbox.refresh(first)

    assert within.status == 200
    assert _is_invalid_grant(after)
    assert sandbox.refresh(within.json()["refresh_token"]).status == 200


def test_a_token_that_was_never_used_ends_30_minutes_after_another_took_its_place(sandbox):
    first = _grants(sandbox)[0]["refresh_token"]
    lost = sandbox.refresh(first).json()["refresh_token"]
    sandbox.refresh(first)

    sandbox.advance(31 * MINUTE)

    assert _is_invalid_grant(sandbox.refresh(lost))


def test_a_refresh_token_that_nobody_uses_for_60_days_is_an_invalid_grant(sandbox):
    first = _grants(sandbox)[0]["refresh_token"]

    sandbox.advance(61 * 86_400)

    assert _is_invalid_grant(sandbox.refresh(first))


def test_a_wrong_client_secret_is_an_invalid_client_and_rotates_nothing(sandbox):
    first = _grants(sandbox)[0]["refresh_token"]
    wrong = base64.b64encode(f"{sandbox.grants()['client_id']}:wrong".encode()).decode()
    form = f"grant_type=refresh_token&refresh_token={first}".encode()

    by_basic = sandbox.call("POST", "/connect/token", {"Authorization": f"Basic {wrong}"}, form)
    by_nothing = sandbox.call("POST", "/connect/token", body=form)

    assert (by_basic.status, by_basic.json()) == (400, {"error": "invalid_client"})
    assert (by_nothing.status, by_nothing.json()) == (400, {"error": "invalid_client"})
    assert _grants(sandbox)[0]["refresh_token"] == first


def test_a_client_may_name_itself_in_the_form(sandbox):
    app = sandbox.grants()
    form = (
        f"grant_type=refresh_token&refresh_token={app['grants'][0]['refresh_token']}"
        f"&client_id={app['client_id']}&client_secret={app['client_secret']}"
    )

    answer = sandbox.call("POST", "/connect/token", body=form.encode())

    assert answer.status == 200


def test_an_expired_access_token_is_told_when_it_expired(sandbox):
    tenant = sandbox.tenants()[0]["tenant_id"]
    token = sandbox.access_token(tenant)

    sandbox.advance(1801)
    answer = sandbox.get(tenant, "Contacts", token)

    told = answer.json()
    assert answer.status == 401
    assert re.fullmatch(r"TokenExpired: token expired at \d\d/\d\d/\d{4} \d\d:\d\d:\d\d", told.pop("Detail"))
    assert re.fullmatch(r"[0-9a-f-]{36}", told.pop("Instance"))
    assert told == {"Type": None, "Title": "Unauthorized", "Status": 401, "Extensions": {}}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}, {"Authorization": "Basic x"}])
def test_without_a_known_token_nobody_comes_in(sandbox, headers):
    tenant = sandbox.tenants()[0]["tenant_id"]

    answer = sandbox.call("GET", "/api.xro/2.0/Contacts", {"xero-tenant-id": tenant, **headers})

    assert answer.status == 401
    assert sandbox.call("GET", "/connections", headers).status == 401


def test_one_grant_reaches_its_several_tenants_and_no_other(sandbox):
    several, other = _grants(sandbox)
    token = sandbox.refresh(several["refresh_token"]).json()["access_token"]

    mine = [sandbox.get(each["tenant_id"], "Organisation", token) for each in several["tenants"]]
    theirs = sandbox.get(other["tenants"][0]["tenant_id"], "Organisation", token)

    assert [answer.status for answer in mine] == [200, 200]
    assert [answer.json()["Organisations"][0]["OrganisationID"] for answer in mine] == [
        each["tenant_id"] for each in several["tenants"]
    ]
    assert (theirs.status, theirs.json()["Detail"]) == (403, "AuthenticationUnsuccessful")
    assert theirs.json()["Title"] == "Forbidden"


def test_a_call_that_names_no_tenant_is_forbidden(sandbox):
    token = sandbox.access_token(sandbox.tenants()[0]["tenant_id"])

    answer = sandbox.call("GET", "/api.xro/2.0/Contacts", _bearer(token))

    assert (answer.status, answer.json()["Detail"]) == (403, "AuthenticationUnsuccessful")


def test_a_removed_tenant_is_absent_from_the_connections_while_the_token_stays_good(sandbox):
    gone, stays = (each["tenant_id"] for each in _grants(sandbox)[0]["tenants"])
    token = sandbox.access_token(gone)

    sandbox.faults("tenant_removed", tenant=gone)
    connected = sandbox.call("GET", "/connections", _bearer(token)).json()

    assert [each["tenantId"] for each in connected] == [stays]
    assert sandbox.get(gone, "Contacts", token).status == 403
    assert sandbox.get(stays, "Contacts", token).status == 200
    sandbox.clear_faults()
    assert sandbox.get(gone, "Contacts", token).status == 200


def test_deleting_a_connection_takes_its_id_and_not_the_tenants(sandbox):
    tenant = _grants(sandbox)[0]["tenants"][0]["tenant_id"]
    token = sandbox.access_token(tenant)
    first = sandbox.call("GET", "/connections", _bearer(token)).json()[0]

    by_tenant = sandbox.call("DELETE", f"/connections/{first['tenantId']}", _bearer(token))
    by_id = sandbox.call("DELETE", f"/connections/{first['id']}", _bearer(token))
    again = sandbox.call("DELETE", f"/connections/{first['id']}", _bearer(token))

    assert (by_tenant.status, by_id.status, again.status) == (403, 204, 404)
    left = sandbox.call("GET", "/connections", _bearer(token)).json()
    assert first["id"] not in [each["id"] for each in left]
    assert sandbox.get(first["tenantId"], "Contacts", token).status == 403


def test_connections_can_be_narrowed_to_one_consent(sandbox):
    token = sandbox.access_token(sandbox.tenants()[0]["tenant_id"])
    event = sandbox.call("GET", "/connections", _bearer(token)).json()[0]["authEventId"]

    mine = sandbox.call("GET", f"/connections?authEventId={event}", _bearer(token)).json()
    none = sandbox.call("GET", "/connections?authEventId=another", _bearer(token)).json()

    assert len(mine) == 2
    assert none == []


def test_an_accountants_practice_stands_among_the_connections_without_an_accounting_api():
    with Sandbox.start(organisations=6) as sandbox:
        third = sandbox.grants()["grants"][2]
        token = sandbox.refresh(third["refresh_token"]).json()["access_token"]

        connected = sandbox.call("GET", "/connections", _bearer(token)).json()

        kinds = {each["tenantId"]: each["tenantType"] for each in connected}
        practice = next(tenant for tenant, kind in kinds.items() if kind != "ORGANISATION")
        assert {each["tenant_id"] for each in third["tenants"]} == set(kinds) - {practice}
        assert sandbox.get(practice, "Contacts", token).status == 403


def test_a_missing_scope_closes_one_endpoint_and_says_so_in_a_header(sandbox):
    tenant = sandbox.tenants()[0]["tenant_id"]
    token = sandbox.access_token(tenant)

    sandbox.faults("scope", endpoint="Invoices", tenant=tenant)
    closed = sandbox.get(tenant, "Invoices", token)

    assert (closed.status, closed.json()["Detail"]) == (401, "AuthorizationUnsuccessful")
    assert "insufficient_scope" in closed.headers["WWW-Authenticate"]
    assert sandbox.get(tenant, "Contacts", token).status == 200
    assert sandbox.get(tenant, "Invoices", token).status == 401


def test_a_revoked_grant_is_over_with_all_its_connections(sandbox):
    app = sandbox.grants()
    several, other = app["grants"]
    token = sandbox.refresh(several["refresh_token"]).json()
    basic = base64.b64encode(f"{app['client_id']}:{app['client_secret']}".encode()).decode()

    answer = sandbox.call(
        "POST",
        "/connect/revocation",
        {"Authorization": f"Basic {basic}"},
        f"token={token['refresh_token']}".encode(),
    )

    assert (answer.status, answer.body) == (200, b"")
    assert _is_invalid_grant(sandbox.refresh(token["refresh_token"]))
    assert sandbox.call("GET", "/connections", _bearer(token["access_token"])).status == 401
    assert sandbox.refresh(other["refresh_token"]).status == 200


def test_a_lost_token_answer_has_rotated_all_the_same(sandbox):
    first = _grants(sandbox)[0]["refresh_token"]
    sandbox.faults("lost_answer", endpoint="token")

    with pytest.raises(ConnectionError):
        sandbox.refresh(first)

    assert _grants(sandbox)[0]["refresh_token"] != first
    assert sandbox.refresh(first).status == 200
