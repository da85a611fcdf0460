"""Describes every record table to those who query them, from the endpoint table: `docs/tables.md`."""

from collections.abc import Iterable, Iterator

from config.cadence import cadence_of
from config.shapes import TEXT_LIMIT
from connectors.endpoints import OUTER, Endpoint, Field, Paging, Statuses
from ledgertide.output import length
from store.tables import column_types
from sync.providers import ENDPOINTS

HABITS: dict[Paging, str] = {
    "whole": "whole",
    "changes": "changes",
    "seek": "changes, by pages",
    "numbered": "what is new, by number",
    "backward": "whole, by pages",
    "through": "whole, by pages",
    "each": "whole, one by one",
}

# In the order of `store.tables.table_of`.
EVERYWHERE = {
    "organisation_id": "whose record it is. Every query names it: `organisations` has the slug",
    "connection_id": "the link to the provider; with `id` the primary key. Join tables by both",
    "id": "the provider's id",
    "modified_at": "when it was last modified, by the provider's clock; null where its list tells no time",
    "hash": "of the record's content, however that is written; says whether it changed, and nothing else."
    " Empty while a new column waits to be filled",
    "archived": "its status means archived, deleted or voided: out of the pickers, kept for others to name",
    "gone_at": "since when the provider has it no longer, as two complete reads agreed; null: it is there."
    " The row stays, and comes back to life with the record",
    "added_at": "when it was first stored",
    "changed_at": "when its row was last written, or marked gone",
    "fence": "the number of the claim that wrote it, so that no late worker overwrites a newer read;"
    " of no use to queries",
    "record": "all of it, as the provider wrote it, digit for digit. On PostgreSQL `record ->> 'Name'`",
}

OPENING = f"""\
# The tables

Every list has one table, named after its resource: `xero.contacts` is `xero_contacts`. This page is made
from the endpoint table: `ledgertide tables` prints it, `make docs` writes it.

Types are PostgreSQL's. SQLite has its own for them (times are sortable text in UTC, a numeric is its number,
good for filters; the exact figure stands in `record`). Any column of a list's own may be null: what the
provider leaves out, says oddly or at greater length than a column takes ({TEXT_LIMIT} characters) is null
there, and stands in `record` all the same.

## Columns of every table
"""

EXAMPLE = """\
**Live** is what people mean by a record that counts: `gone_at IS NULL AND NOT archived`. Live suppliers with
their open bills:

```sql
SELECT contacts.name, bills.invoice_number, bills.due_date, bills.amount_due, bills.currency_code
FROM organisations
JOIN xero_contacts AS contacts ON contacts.organisation_id = organisations.id
JOIN xero_invoices AS bills
  ON bills.connection_id = contacts.connection_id AND bills.contact_id = contacts.id
WHERE organisations.slug = 'acme-ltd'
  AND contacts.is_supplier AND contacts.gone_at IS NULL AND NOT contacts.archived
  AND bills.type = 'ACCPAY' AND bills.status = 'AUTHORISED' AND bills.gone_at IS NULL
ORDER BY contacts.name, bills.due_date;
```
"""

LEGEND = """\
## All tables

- **read**: *whole*, the list as it is, each time. *Changes*, what changed since the last read; once a day,
  when calls are left, the whole is compared. *One by one*, the list and then each record by itself, for only
  that says all. *By number*, what comes after the last number read.
- **every**: how often, unless `LEDGERTIDE_CADENCES` says otherwise.
- **scope**: what the consent must hold; the accounting scopes also have a name with `.read`, which is enough.
- **alone**: one record can be read by its id (`ledgertide refresh`).
- **off**: its feeds are made switched off, until `ledgertide switch-on`.
"""


def page() -> str:
    """The whole page, in Markdown."""
    everywhere = list(column_types(ENDPOINTS[0].shape).items())[: len(EVERYWHERE)]
    return "\n".join(
        [
            OPENING,
            *_table(("column", "type", "means"), [(_code(n), t, EVERYWHERE[n]) for n, t in everywhere]),
            "",
            EXAMPLE,
            LEGEND,
            *_table(
                ("table", "holds", "read", "every", "scope", "alone", "off"),
                [_line(endpoint) for endpoint in ENDPOINTS],
            ),
            *[line for endpoint in ENDPOINTS for line in _section(endpoint)],
            "",
        ]
    )


def _line(endpoint: Endpoint) -> tuple[str, ...]:
    return (
        f"[{endpoint.shape.table}](#{endpoint.shape.table})",
        endpoint.about,
        HABITS[endpoint.paging],
        length(cadence_of(endpoint.resource, {}, reference=endpoint.reference)),
        _code(endpoint.scope) if endpoint.scope else "",
        "yes" if endpoint.alone else "no",
        "off" if endpoint.off else "",
    )


def _section(endpoint: Endpoint) -> Iterator[str]:
    types = column_types(endpoint.shape)
    modified = f"`modified_at` is {_code(endpoint.modified)}" if endpoint.modified else "no modified time"
    yield from ("", f"## {endpoint.shape.table}", "")
    yield f"{_capital(endpoint.about)}. `id` is {_code(endpoint.id)}, {modified}."
    if endpoint.statuses:
        yield from ("", _statuses(endpoint.statuses))
    yield ""
    columns = [
        (_code(each.name), types[each.name], _code(_place(endpoint, each))) for each in endpoint.fields
    ]
    yield from _table(("column", "type", "comes from"), columns)


def _statuses(statuses: Statuses) -> str:
    archived = [word for word in statuses.known if word in statuses.archived]
    return (
        f"{_code(statuses.field)}: {', '.join(statuses.known)}."
        f" Archived: {', '.join(archived) if archived else 'none of them'}."
    )


def _place(endpoint: Endpoint, field: Field) -> str:
    if field.path[0] == OUTER:
        return ".".join((f"{endpoint.root}[]", *field.path[1:]))
    return ".".join(field.path)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


def _code(text: str) -> str:
    return f"`{text}`"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
