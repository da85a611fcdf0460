"""One nursery for all tests of a test process: what is imported once is forked from then on."""

from collections.abc import Iterator

import pytest

from tests.faults.house import BEATS, RESOURCES, WORKERS, House, house, until
from tests.faults.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Bears the product's processes; they die with it."""
    opened = Nursery()
    yield opened
    opened.close()


@pytest.fixture
def home(whole_house: House) -> House:
    """The house of a test's module, with all its processes at work."""
    whole_house.start(*(name for name in (*BEATS, *WORKERS) if not whole_house.is_there(name)))
    whole_house.await_started(*BEATS, *WORKERS)
    return whole_house


@pytest.fixture(scope="module")
def whole_house(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which everything runs and is fresh; a test of its module leaves it so."""
    with house("postgresql", tmp_path_factory.mktemp("house"), nursery=nursery) as made:
        made.start(*BEATS, *WORKERS)
        made.await_started(*BEATS, *WORKERS)
        feeds = [(slug, resource) for slug in made.slugs for resource in RESOURCES]
        until(lambda: all(made.engine.feed(*feed).last_success_at for feed in feeds), 120, "all is fresh")
        yield made
