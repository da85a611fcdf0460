"""Answers of the live service, recorded, go through connector and store and come out as they were.

They are served over HTTP with their own headers; only the tokens come from the sandbox.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.http import ApiClient
from connectors.transport import Transport
from connectors.xero import XeroConnector
from store.tables import table_of
from sync.run import run_slice
from sync.services import SHAPES
from tests.integration.engine import Engine

RECORDINGS = Path(__file__).parents[3] / "shared" / "reference" / "recordings"
INVOICES, ORGANISATIONS = "xero.invoices", "xero.organisations"

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"The recorded answers are not on this machine: {RECORDINGS} is missing."
)


@pytest.mark.parametrize(
    ("resource", "recording", "key", "count"),
    [
        (INVOICES, "invoices-get.json", "InvoiceID", 79),
        (ORGANISATIONS, "organisation-get.json", "OrganisationID", 1),
    ],
)
def test_a_recorded_answer_comes_out_of_the_store_equal_digit_for_digit(
    whole_engine: Engine, resource: str, recording: str, key: str, count: int
) -> None:
    one, other = whole_engine.connect(resources=[resource])
    recorded = json.loads((RECORDINGS / recording).read_text())

    with served(recorded) as url:
        read_from(whole_engine, url, one, resource)

    expected = json.loads(recorded["body"], parse_float=Decimal)[SHAPES_ROOT[resource]]
    stored = whole_engine.stored(one, resource)
    assert len(stored) == count
    assert whole_engine.parsed(one, resource) == {record[key]: record for record in expected}
    assert numbers_of(stored) == numbers_of({record[key]: record for record in elements(recorded, resource)})
    assert whole_engine.line(one, resource).state == "up to date"
    assert whole_engine.stored(other, resource) == {}


def test_the_recorded_invoices_fill_their_columns(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=[INVOICES])
    recorded = json.loads((RECORDINGS / "invoices-get.json").read_text())

    with served(recorded) as url:
        read_from(whole_engine, url, one, INVOICES)

    table = table_of(SHAPES[INVOICES])
    with whole_engine.services.database.reading() as tx:
        rows = {row.id: row for row in tx.execute(select(table))}
    for invoice in json.loads(recorded["body"], parse_float=Decimal)["Invoices"]:
        row = rows[invoice["InvoiceID"]]
        assert (row.total, row.amount_due) == (invoice["Total"], invoice["AmountDue"])
        assert row.invoice_number == invoice["InvoiceNumber"]
        assert row.contact_name == invoice["Contact"]["Name"]
        assert row.date.isoformat() == invoice["DateString"][:10]
        milliseconds = int(re.findall(r"\d+", invoice["UpdatedDateUTC"])[0])
        assert round(row.modified_at.timestamp() * 1000) == milliseconds


def test_the_same_recording_read_again_changes_nothing(whole_engine: Engine) -> None:
    one, _ = whole_engine.connect(resources=[INVOICES])
    recorded = json.loads((RECORDINGS / "invoices-get.json").read_text())
    with served(recorded) as url:
        read_from(whole_engine, url, one, INVOICES)
        before = whole_engine.stored(one, INVOICES)

        # As a changed-since read it is a list that ignores the filter; its rows are the ones known.
        read_from(whole_engine, url, one, INVOICES)

    run = whole_engine.runs(one, INVOICES)[-1]
    assert (run.seen, run.unchanged, run.changed, run.added) == (79, 79, 0, 0)
    assert whole_engine.line(one, INVOICES).reason == "filter ignored"
    assert whole_engine.stored(one, INVOICES) == before


# --- what the tests above say in their own words ------------------------------------------------------

SHAPES_ROOT = {INVOICES: "Invoices", ORGANISATIONS: "Organisations"}


@contextmanager
def served(recorded: dict[str, Any]) -> Iterator[str]:
    """A server that gives the recorded answer, headers and all, to every question."""
    body = recorded["body"].encode()

    class Replay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response_only(recorded["status"]["code"])
            for name, values in recorded["headers"].items():
                for value in values:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Replay) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def read_from(made: Engine, url: str, slug: str, resource: str) -> None:
    """A press, worked through against this address."""
    transport = Transport()
    api = ApiClient(url, made.services.limiter, transport)
    xero = replace(made.services.provider("xero"), api=api, connector=XeroConnector(api))
    services = replace(made.services, providers={**made.services.providers, "xero": xero})
    (message,) = made.press(slug, resource).messages
    claim = made.claim(message)
    assert claim
    run_slice(services, claim)
    api.close()


def elements(recorded: dict[str, Any], resource: str) -> list[dict[str, Any]]:
    """The recorded records, numbers as their text."""
    parsed = json.loads(recorded["body"], parse_float=str, parse_int=str)
    return list(parsed[SHAPES_ROOT[resource]])


def numbers_of(records: dict[str, Any]) -> dict[str, Any]:
    """Records with each number as its very digits."""
    return {
        key: json.loads(record, parse_float=str, parse_int=str) if isinstance(record, str) else record
        for key, record in records.items()
    }
