"""What the demo concludes: its comparison sees each way in which a store can differ from the provider."""

import json
from collections.abc import Iterator

import pytest
from celery import Celery
from sqlalchemy import delete, insert, select, update

from ledgertide.demo.approvals import IN_EACH, Approvals
from ledgertide.demo.edits import Customer
from ledgertide.demo.report import Report, judge
from ledgertide.embedded.sandbox_doors import SandboxDoors
from sandbox.testing import Sandbox
from store.tables import table_of
from sync.services import SHAPES, Services
from tests.integration.engine import Engine


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(organisations=1, seed=11) as running:
        yield running


@pytest.mark.parametrize("database_kind", ["sqlite"])  # the demo's own
def test_an_altered_a_deleted_and_an_added_row_and_a_refused_call_each_spoil_the_report(
    whole_engine: Engine,
) -> None:
    whole_engine.connect(organisations_wanted=1)
    whole_engine.settle()
    assert report(whole_engine).is_good

    tamper(whole_engine.services)
    spoilt = report(whole_engine)

    assert not spoilt.is_good
    row = next(row for row in spoilt.rows if row.resource == "xero.contacts")
    assert (row.missing, row.extra, row.stale) == (1, 1, 1)
    total = spoilt.total
    assert (total.missing, total.extra, total.stale, total.refused) == (1, 1, 1, 0)
    assert len(spoilt.differing) == 3

    whole_engine.sandbox.faults("status", status=429, count=1)
    whole_engine.sync(next(iter(whole_engine.tenants)), "xero.users")
    assert report(whole_engine).total.refused == 1


def report(engine: Engine) -> Report:
    """The demo's own judgement of what is stored now."""
    return judge(
        engine.services,
        SandboxDoors(engine.sandbox.url),
        cost={},
        first_fresh={},
        read_seconds=0.0,
        press_seconds=0.0,
        presses=0,
        edits={},
    )


def tamper(services: Services) -> None:
    """Alter one stored contact, delete another, and add a third."""
    table = table_of(SHAPES["xero.contacts"])
    with services.database.transaction() as tx:
        altered, deleted, copied = tx.execute(select(table).order_by(table.c.id).limit(3)).mappings().all()
        tx.execute(
            update(table)
            .where(table.c.connection_id == altered["connection_id"], table.c.id == altered["id"])
            .values(record=altered["record"].replace('"Name"', ' "Name"', 1))
        )
        tx.execute(
            delete(table).where(
                table.c.connection_id == deleted["connection_id"], table.c.id == deleted["id"]
            )
        )
        tx.execute(insert(table).values({**copied, "id": "not-at-the-provider"}))


def test_an_organisation_that_knows_no_supplier_hands_in_no_bills(sandbox: Sandbox) -> None:
    (tenant,) = (each["tenant_id"] for each in sandbox.tenants())
    customer = Customer("acme", {"xero": tenant})
    with Celery("demo", set_as_current=False) as app:
        approvals = Approvals(SandboxDoors(sandbox.url), app)
        approvals.hand_in([customer])
        before = list(approvals.bills)
        contacts = json.loads(sandbox.dump_bytes(tenant, "xero.contacts"))["records"]
        active = [each["ContactID"] for each in contacts if each["ContactStatus"] == "ACTIVE"]
        sandbox.edit(tenant, "xero.contacts", "archive", ids=active)

        approvals.hand_in([customer])

    assert (len(before), list(approvals.bills)) == (IN_EACH, before)
