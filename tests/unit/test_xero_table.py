"""The table of Xero's lists holds together, and says what the official specification says."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.endpoints import OUTER, Endpoint, Field
from connectors.xero import ENDPOINTS
from connectors.xero.params import FOR_ONE
from store.tables import table_of

SPECIFICATION = Path(__file__).parents[3] / "shared" / "reference" / "openapi" / "xero_accounting.yaml"
BY_RESOURCE = {endpoint.resource: endpoint for endpoint in ENDPOINTS}

each_list = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.resource)
specified = pytest.mark.skipif(
    not SPECIFICATION.exists(),
    reason=f"The specification is not on this machine: {SPECIFICATION} is missing.",
)

# What the specification does not know, or knows only by an older name.
NARROWER_SCOPES = {
    "accounting.invoices",
    "accounting.payments",
    "accounting.banktransactions",
    "accounting.manualjournals",
}
# It takes the header, but a deletion leaves no newer time behind.
# Without it an answer holds less.
TELLS_MORE = {"unitdp"}
# Its archived options come with a parameter that the question for one category does not have.
TELLS_LESS_ALONE = {"xero.tracking_categories"}
READ_WHOLE_ALL_THE_SAME = {"xero.bank_transfers"}


def test_each_list_has_its_own_name_and_table():
    assert len(BY_RESOURCE) == len({endpoint.shape.table for endpoint in ENDPOINTS}) == len(ENDPOINTS)


@each_list
def test_the_columns_of_a_list_are_distinct_also_from_those_every_table_has(endpoint):
    names = [field.name for field in endpoint.fields]

    assert len(table_of(endpoint.shape).columns) == len(set(names)) + 11


@each_list
def test_the_archived_words_are_among_the_known_ones(endpoint):
    if endpoint.statuses:
        assert endpoint.statuses.archived < set(endpoint.statuses.known)


@each_list
def test_a_list_has_what_its_habit_needs(endpoint):
    assert (endpoint.number is not None) == (endpoint.paging == "numbered")
    if endpoint.paging in ("seek", "changes", "numbered"):
        assert endpoint.modified
        assert not endpoint.shape.whole
    if endpoint.paging == "each":
        assert endpoint.alone
    if endpoint.inside:
        assert not endpoint.alone


def test_lists_of_use_to_few_are_off():
    off = {endpoint.resource for endpoint in ENDPOINTS if endpoint.shape.off}

    assert off >= {"xero.journals", "xero.receipts", "xero.expense_claims"}


@specified
@each_list
def test_each_column_stands_in_the_specification_with_a_fitting_type(endpoint):
    wrong = [
        f"{'.'.join(field.path)}: {kind or 'unknown'}, not {field.kind}"
        for field, kind in _kinds(endpoint)
        if kind != field.kind
    ]

    assert wrong == []


@specified
@each_list
def test_the_id_the_time_and_the_number_stand_in_the_specification(endpoint):
    schema = _schema(endpoint)

    assert _kind(schema, (endpoint.id,)) == "text"
    assert endpoint.modified is None or _kind(schema, (endpoint.modified,)) == "timestamp"
    assert endpoint.number is None or _kind(schema, (endpoint.number,)) == "integer"
    if endpoint.modified is None:
        assert "UpdatedDateUTC" not in schema["properties"]


@specified
@each_list
def test_the_statuses_are_those_of_the_specification(endpoint):
    properties = _schema(endpoint)["properties"]
    field = endpoint.statuses.field if endpoint.statuses else "Status"

    assert list(endpoint.statuses.known if endpoint.statuses else ()) == _open(properties.get(field, {})).get(
        "enum", []
    )


@specified
@each_list
def test_each_question_is_one_the_specification_knows(endpoint):
    known = _parameters(f"/{endpoint.path}")
    tells_changes = endpoint.paging in ("seek", "changes", "numbered")

    assert endpoint.params.keys() <= known
    assert ("If-Modified-Since" in known) == (tells_changes or endpoint.resource in READ_WHOLE_ALL_THE_SAME)
    assert ("page" in known) == (endpoint.paging in ("seek", "backward"))
    assert ("pageSize" in known) == (endpoint.paging in ("seek", "backward") and endpoint.asks_page_size)
    assert ("offset" in known) == (endpoint.paging == "numbered")
    # What would leave something out when it is not sent.
    assert not (known & {"includeArchived", "includeDeleted", "unitdp"}) - endpoint.params.keys()
    if endpoint.paging == "seek" and endpoint.resource != "xero.manual_journals":
        assert endpoint.params["order"] == "UpdatedDateUTC ASC"


@specified
@each_list
def test_a_record_can_be_asked_for_alone_where_that_tells_as_much_as_the_list(endpoint):
    path = _single(endpoint)
    as_much = path is not None and endpoint.params.keys() & TELLS_MORE <= _parameters(path)
    as_much = as_much and endpoint.resource not in TELLS_LESS_ALONE

    assert endpoint.alone == (endpoint.inside is None and as_much)


@specified
def test_one_record_is_asked_for_with_what_the_specification_knows():
    for endpoint in ENDPOINTS:
        if path := _single(endpoint):
            assert not (_parameters(path) & FOR_ONE) - endpoint.params.keys()


@specified
@each_list
def test_the_scope_is_that_of_the_specification_or_a_narrower_one(endpoint):
    security = _operation(f"/{endpoint.path}")["security"]
    scopes = {scope.removesuffix(".read") for rule in security for scope in rule["OAuth2"]}

    if endpoint.scope in NARROWER_SCOPES:
        assert scopes == {"accounting.transactions"}
    else:
        assert scopes == {endpoint.scope}


# --- the specification --------------------------------------------------------------------------------


@cache
def _specification() -> Any:
    return yaml.load(SPECIFICATION.read_text(encoding="utf-8"), yaml.CSafeLoader)


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return _specification()["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _operation(path: str) -> Any:
    return _specification()["paths"][path]["get"]


def _schema(endpoint: Endpoint, *, outer: bool = False) -> dict[str, Any]:
    answer = _operation(f"/{endpoint.path}")["responses"]["200"]["content"]["application/json"]["schema"]
    record = _open(_open(answer)["properties"][endpoint.root]["items"])
    return _open(record["properties"][endpoint.inside]["items"]) if endpoint.inside and not outer else record


def _kinds(endpoint: Endpoint) -> Iterator[tuple[Field, str | None]]:
    for field in endpoint.fields:
        outer = field.path[0] == OUTER
        path = field.path[1:] if outer else field.path
        yield field, _kind(_schema(endpoint, outer=outer), path)


def _kind(schema: dict[str, Any], path: tuple[str, ...]) -> str | None:
    for key in path:
        if key not in schema.get("properties", {}):
            return None
        written = schema["properties"][key]
        schema = _open(written)
    if written.get("x-is-msdate-time"):
        return "timestamp"
    if written.get("x-is-msdate"):
        return "date"
    kinds = {"string": "text", "number": "numeric", "integer": "integer", "boolean": "boolean"}
    return kinds.get(schema["type"])


def _parameters(path: str) -> set[str]:
    known = _specification()["components"]["parameters"]
    listed = [*_specification()["paths"][path].get("parameters", []), *_operation(path).get("parameters", [])]
    opened = [known[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in listed]
    return {each["name"] for each in opened if each["in"] in ("query", "header")}


def _single(endpoint: Endpoint) -> str | None:
    path = f"/{endpoint.path}/{{{endpoint.id}}}"
    return path if "get" in _specification()["paths"].get(path, {}) else None
