"""One running installation for all tests that only use it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from celery import Celery

from ledgertide.api import Door
from store import history, organisations, records, status
from store.history import RunLine
from store.status import FeedLine
from sync.services import SHAPES, Services
from tasks.process import open_for
from tests.acceptance.running import ALL_FRESH, Running, running
from workers.celery import make_app


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Seven organisations that nobody edits, all fresh."""
    folder = tmp_path_factory.mktemp("installation")
    words = ("--organisations", "7", "--edits-per-minute", "0", "--sandbox-port", "0", "--flower-port", "0")
    with running(folder, *words) as started:
        started.says(ALL_FRESH)
        yield started
        assert started.end() == 0, started.said


@pytest.fixture(scope="session")
def app(installation: Running) -> Iterator[Celery]:
    """An app of the installation with services, opened in this process as an application would."""
    made = make_app(installation.settings)
    opened = open_for(made, installation.settings)
    yield made
    opened.close()
    made.close()


@pytest.fixture(scope="session")
def services(app: Celery) -> Services:
    """The services of that app."""
    opened: Services = app.services
    return opened


@pytest.fixture
def door(app: Celery) -> Door:
    """The Python door of the installation."""
    return Door(app)


@dataclass(frozen=True)
class Customer:
    """One organisation of the installation, for one test alone."""

    slug: str
    tenant_id: str
    services: Services

    def runs(self, resource: str = "xero.contacts") -> list[RunLine]:
        """Its runs of a feed, the newest first."""
        with self.services.database.reading() as tx:
            found = organisations.find(tx, self.slug)
            lines = history.run_lines(tx.scope(found.id), 1000)
        return [line for line in lines if line.resource == resource]

    def lines(self) -> list[FeedLine]:
        """What each of its feeds says."""
        with self.services.database.reading() as tx:
            return status.lines(tx.scope(organisations.find(tx, self.slug).id))

    def line(self, resource: str) -> FeedLine:
        """What one of its feeds says."""
        return next(line for line in self.lines() if line.resource == resource)

    def record_ids(self, resource: str) -> set[str]:
        """The ids of its records that are not gone."""
        with self.services.database.reading() as tx:
            scope = tx.scope(organisations.find(tx, self.slug).id)
            return {record_id for record_id, _ in records.read(scope, SHAPES[resource])}


@pytest.fixture(scope="session")
def customers(installation: Running, services: Services) -> list[list[Customer]]:
    """All organisations, together with those that came by the same grant; the largest groups first."""
    with services.database.reading() as tx:
        slugs = {one.id: one.slug for one in organisations.everyone(tx)}
        slug_of = {link.tenant_id: slugs[link.organisation_id] for link in organisations.every_link(tx)}
    groups = [
        [Customer(slug_of[tenant["tenant_id"]], tenant["tenant_id"], services) for tenant in grant["tenants"]]
        for grant in installation.sandbox.grants()["grants"]
    ]
    return sorted(groups, key=len, reverse=True)


@pytest.fixture
def customer(customers: list[list[Customer]]) -> Customer:
    """An organisation for tests that leave it as it was."""
    return customers[0][0]


@pytest.fixture
def poor(customers: list[list[Customer]]) -> list[Customer]:
    """Three organisations for the one test that takes their calls away for good."""
    return customers[0][1:3] + customers[1][:1]


@pytest.fixture
def emptied(customers: list[list[Customer]]) -> Customer:
    """An organisation for the one test in which its records vanish."""
    return customers[1][1]


@pytest.fixture
def lonely(customers: list[list[Customer]]) -> Customer:
    """An organisation with a grant of its own, for the one test that takes it away for good."""
    assert len(customers[-1]) == 1
    return customers[-1][0]
