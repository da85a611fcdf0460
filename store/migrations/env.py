"""Alembic's entry: runs on the connection that `store.migrations.upgrade` opened."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from store.database import UtcDateTime
from store.models import metadata


def _render(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column type by its short name into a new migration."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from store.database import UtcDateTime")
        return "UtcDateTime()"
    return False


context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_item=_render
)
with context.begin_transaction():
    context.run_migrations()
