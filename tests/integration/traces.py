"""What reads leave behind in the store besides live records: rows, candidates, what is gone, events."""

from collections.abc import Callable
from typing import Any, TypeVar

from store import events, organisations
from store.database import Scope
from store.models import candidates
from store.tables import table_of
from sync.services import SHAPES
from tests.integration.engine import Engine

T = TypeVar("T")


def look(made: Engine, slug: str, act: Callable[[Scope], T]) -> T:
    """Look at one organisation's rows."""
    with made.services.database.reading() as tx:
        return act(tx.scope(organisations.find(tx, slug).id))


def rows(made: Engine, slug: str, resource: str) -> dict[str, Any]:
    """The rows of a resource's records by id, those that are gone included."""
    table = table_of(SHAPES[resource])
    return look(
        made, slug, lambda scope: {row.id: row for row in scope.tx.execute(scope.select(table)).all()}
    )


def gone(made: Engine, slug: str, resource: str) -> list[str]:
    """The ids that are marked gone."""
    return sorted(key for key, row in rows(made, slug, resource).items() if row.gone_at is not None)


def candidates_of(made: Engine, slug: str, resource: str) -> dict[str, bool]:
    """The ids that one full read missed, and whether they are held."""

    def found(scope: Scope) -> dict[str, bool]:
        feed_id = made.feed_id(slug, resource, tx=scope.tx)
        missed = scope.select(candidates).where(candidates.c.feed_id == feed_id)
        return {row.record_id: row.held_at is not None for row in scope.tx.execute(missed)}

    return look(made, slug, found)


def told(made: Engine, slug: str, resource: str, kind: str) -> list[str]:
    """The ids in the events of a kind."""

    def found(scope: Scope) -> list[str]:
        mine = [each for each in events.read(scope) if (each.resource, each.kind) == (resource, kind)]
        return sorted(key for event in mine for key in event.ids)

    return look(made, slug, found)
