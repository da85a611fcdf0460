"""What the sandbox says agrees with Xero's OpenAPI file and with recordings of the live service.

Both lie beside the project; where they do not, these tests say so and skip.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from sandbox.endpoints import ENDPOINTS, Endpoint, Paging
from sandbox.testing import Sandbox

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
SPEC = REFERENCE / "openapi" / "xero_accounting.yaml"
RECORDINGS = REFERENCE / "recordings"

pytestmark = pytest.mark.skipif(not SPEC.exists(), reason=f"no OpenAPI file at {SPEC}")

# Fields that live answers carry although the file does not know them there.
KNOWN_LIVE = {
    "LineItemTracking": {"Options"},
    "ContactGroup": {"HasValidationErrors"},
    "CreditNote": {"ID", "DateString"},
    "Invoice": {"DateString", "DueDateString"},
    "PurchaseOrder": {"DateString", "DeliveryDateString", "HasErrors", "IsDiscounted", "Type"},
    "BankTransaction": {"DateString"},
    "BankTransfer": {"CreatedDateUTCString", "DateString"},
    "Overpayment": {"ID", "DateString"},
    "Prepayment": {"ID", "DateString"},
    "Receipt": {"ID"},
}
"""Each stands in the recordings, or in the file's own examples."""


LISTS = [endpoint for endpoint in ENDPOINTS if endpoint.inside is None]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=5) as running:
        running.limits(minute=100_000, day=100_000)
        yield running


@pytest.fixture(scope="module")
def tokens(sandbox: Sandbox) -> dict[str, str]:
    """An access token for each organisation, in their order."""
    return {each["tenant_id"]: sandbox.access_token(each["tenant_id"]) for each in sandbox.tenants()}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return dict(yaml.load(SPEC.read_text(), Loader=yaml.CSafeLoader))


@pytest.fixture(scope="module")
def strict(spec: dict[str, Any]) -> dict[str, Any]:
    """The file's schemas, with unknown fields forbidden but for those seen live.

    Enums are left out: they lag behind what the service says.
    """
    schemas = copy.deepcopy(spec["components"]["schemas"])
    for name, schema in schemas.items():
        _without_enums(schema)
        if "properties" in schema:
            allowed: dict[str, Any] = {field: {} for field in KNOWN_LIVE.get(name, ())}
            schema["properties"] = {**schema["properties"], **allowed}
            schema["additionalProperties"] = False
    return {"components": {"schemas": schemas}}


def _without_enums(schema: Any) -> None:
    if isinstance(schema, dict):
        if isinstance(schema.get("enum"), list):
            del schema["enum"]
        for value in schema.values():
            _without_enums(value)
    elif isinstance(schema, list):
        for value in schema:
            _without_enums(value)


def _ask(sandbox: Sandbox, tokens: dict[str, str], place: int, path: str, **query: object) -> dict[str, Any]:
    tenant = list(tokens)[place]
    return dict(json.loads(sandbox.get(tenant, path, tokens[tenant], **query).body))


def _errors(strict: dict[str, Any], endpoint: Endpoint, answer: dict[str, Any]) -> list[str]:
    rows = {endpoint.key: answer[endpoint.key][:300]}
    if "pagination" in answer:
        rows["pagination"] = answer["pagination"]
    schema = {"$ref": f"#/components/schemas/{endpoint.key}", **strict}
    errors = Draft4Validator(schema).iter_errors(rows)
    return [f"{'/'.join(map(str, error.path))}: {error.message}"[:300] for error in errors]


@pytest.mark.parametrize(
    "query", [{}, {"page": 1, "unitdp": 4, "includeArchived": "true"}], ids=["brief", "page"]
)
@pytest.mark.parametrize("endpoint", LISTS, ids=lambda endpoint: endpoint.path)
def test_every_answer_is_of_the_files_shape(sandbox, tokens, strict, endpoint, query):
    for place in range(5):
        assert _errors(strict, endpoint, _ask(sandbox, tokens, place, endpoint.path, **query)) == []


@pytest.mark.parametrize(
    "endpoint", [each for each in LISTS if each.alone], ids=lambda endpoint: endpoint.path
)
def test_every_record_by_itself_is_of_the_files_shape(sandbox, tokens, strict, endpoint):
    for record in sandbox.dump(next(iter(tokens)), endpoint.resource)[:3]:
        answer = _ask(sandbox, tokens, 0, f"{endpoint.path}/{record[endpoint.id]}")

        assert len(answer[endpoint.key]) == 1
        assert _errors(strict, endpoint, answer) == []


def test_the_file_knows_the_parameters_of_every_list(spec):
    for endpoint in LISTS:
        asked = spec["paths"][f"/{endpoint.path}"]["get"].get("parameters", [])
        names = {each.get("name") or each["$ref"].rpartition("/")[2] for each in asked}

        assert ("ifModifiedSince" in names) == endpoint.since, endpoint.path
        assert ("where" in names) == endpoint.where, endpoint.path
        assert ("page" in names) == (endpoint.paging in {Paging.PAGED, Paging.HUNDREDS}), endpoint.path
        assert ("pageSize" in names) == (endpoint.paging is Paging.PAGED), endpoint.path
        assert ("offset" in names) == (endpoint.paging is Paging.NUMBERED), endpoint.path
        assert ("unitdp" in names) == bool(endpoint.unit_amounts), endpoint.path
        if endpoint.hidden is not None:
            assert endpoint.hidden.unless in names, endpoint.path
        one = re.compile(rf"/{endpoint.path}/{{\w+}}")
        assert any(one.fullmatch(path) for path in spec["paths"]) == endpoint.alone, endpoint.path


def test_only_these_values_are_unknown_to_the_files_lists(sandbox, spec):
    unknown = set()
    for endpoint in LISTS:
        row = spec["components"]["schemas"][endpoint.key]["properties"][endpoint.key]["items"]["$ref"]
        properties = spec["components"]["schemas"][row.rpartition("/")[2]]["properties"]
        enums = {name: known["enum"] for name, known in properties.items() if "enum" in known}
        for place in range(5):
            for record in sandbox.dump(sandbox.tenants()[place]["tenant_id"], endpoint.resource):
                unknown |= {
                    (name, record[name])
                    for name, known in enums.items()
                    if name in record and record[name] not in known
                }

    assert unknown == {
        ("ReportTaxType", "LUXURYCARTAX"),
        ("SourceTransactionTypeCode", "RECEIPT"),
        ("TaxNumberType", "TAXNUMBERTYPE/SSN"),
    }


def test_the_files_dates_are_microsofts_in_the_sandbox(sandbox, spec):
    for endpoint in LISTS:
        name = spec["components"]["schemas"][endpoint.key]["properties"][endpoint.key]["items"]["$ref"]
        properties = spec["components"]["schemas"][name.rpartition("/")[2]]["properties"]
        dates = [
            field for field, known in properties.items() if known.keys() & {"x-is-msdate", "x-is-msdate-time"}
        ]
        for record in sandbox.dump(sandbox.tenants()[0]["tenant_id"], endpoint.resource):
            assert all(record[field].startswith("/Date(") for field in dates if field in record)


def _recorded(name: str) -> dict[str, Any]:
    return dict(json.loads((RECORDINGS / f"{name}.json").read_text()))


def _names(value: Any, path: str = "") -> set[str]:
    """Every field's path, list places left out."""
    if isinstance(value, list):
        return {name for each in value for name in _names(each, path)}
    if not isinstance(value, dict):
        return set()
    return {f"{path}.{name}" for name in value} | {
        name for key, each in value.items() for name in _names(each, f"{path}.{key}")
    }


def test_an_invoice_has_the_fields_of_the_recorded_ones_and_few_more(sandbox):
    recorded = _names(json.loads(_recorded("invoices-get")["body"])["Invoices"])
    mine = _names([row for place in (0, 2) for row in _invoices(sandbox, place)])

    assert recorded - mine == set()
    assert mine - recorded == {".UpdatedDateUTCString", ".Url", ".LineItems.Tracking.TrackingOptionID"}


def _invoices(sandbox: Sandbox, place: int) -> list[Any]:
    return sandbox.dump(sandbox.tenants()[place]["tenant_id"], "xero.invoices")


def test_a_usual_invoice_names_its_fields_in_the_recorded_order(sandbox):
    recorded = json.loads(_recorded("invoices-get")["body"])["Invoices"]
    places = {name: place for place, name in enumerate(max(recorded, key=len))}

    for row in _invoices(sandbox, 0):
        told = [places[name] for name in row if name in places]
        assert told == sorted(told)


def test_the_organisation_has_the_recorded_fields_and_the_same_head(sandbox, tokens):
    recorded = json.loads(_recorded("organisation-get")["body"])
    mine = _ask(sandbox, tokens, 0, "Organisation")

    assert list(mine) == list(recorded)
    missing = set(recorded["Organisations"][0]) - set(mine["Organisations"][0])
    assert missing == set()


def test_an_answer_is_written_as_the_recorded_one(sandbox):
    recorded = _recorded("organisation-get")
    tenant = sandbox.tenants()[0]["tenant_id"]
    answer = sandbox.get(tenant, "Organisation", sandbox.access_token(tenant))

    def shape(text: str) -> list[str]:
        return [line[: len(line) - len(line.lstrip())] + line.strip()[:6] for line in text.splitlines()][:8]

    assert shape(answer.body.decode()) == shape(recorded["body"])
    assert answer.body.count(b"\r\n") == answer.body.count(b"\n")
    assert answer.headers["Content-Type"] == recorded["headers"]["Content-Type"][0]
    unheard = set(recorded["headers"]) - set(answer.headers.keys())
    assert unheard == {"X-Client-TLS-ver", "Connection"} - set(answer.headers.keys())


def test_connections_and_tokens_have_the_recorded_fields(sandbox):
    connection = json.loads(_recorded("connections-get")["body"])[0]
    token = json.loads(_recorded("token-post")["body"])
    mine = sandbox.refresh(sandbox.grants()["grants"][0]["refresh_token"]).json()

    connected = sandbox.call("GET", "/connections", {"Authorization": f"Bearer {mine['access_token']}"})

    assert list(mine) == list(token)
    assert set(connected.json()[0]) == {*connection, "authEventId", "tenantName"}
    assert connected.headers["Content-Type"] == _recorded("connections-get")["headers"]["Content-Type"][0]
    for name in ("createdDateUtc", "updatedDateUtc"):
        assert len(connected.json()[0][name]) == len(connection[name])
