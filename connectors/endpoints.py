"""What is known about one list of a provider, as data, and the columns taken from its records."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Literal

from config.shapes import Column, ColumnKind, Shape

Paging = Literal["whole", "changes", "seek", "numbered", "backward", "through", "each"]
# These cannot be asked for what changed since a time: each read is a full one.
WHOLE: frozenset[Paging] = frozenset({"whole", "backward", "through", "each"})

OUTER = "^"
"""In the path of a field: the record that this one lies in."""


@dataclass(frozen=True)
class Field:
    """A typed column and where in the record its value stands: `Contact.ContactID` looks inside `Contact`.

    For a record inside another, `^.Name` is a field of the outer one.
    """

    name: str
    path: tuple[str, ...]
    kind: ColumnKind


@dataclass(frozen=True)
class Statuses:
    """The words a record's status may have: unknown ones are kept like the others, and are not archived."""

    field: str
    known: tuple[str, ...]
    """All words the provider is known to use, in its order."""
    archived: frozenset[str]
    """A record with one of these is archived: out of the pickers, not of the store."""


@dataclass(frozen=True)
class Endpoint:
    """One list: where it is, how it is read, and what its records hold."""

    resource: str
    about: str
    """What its records are, in a few words, for people."""
    path: str
    root: str
    """The key of the answer that holds the records."""
    id: str
    """The field that names a record for ever; on the element that is the record."""
    scope: str
    """The scope that opens it; the same name with `.read` is enough for reading."""
    paging: Paging
    fields: tuple[Field, ...]
    modified: str | None = "UpdatedDateUTC"
    """The field that says when a record was last modified, at its top level; None when there is none."""
    number: str | None = None
    """The field with the number by which a numbered list is read."""
    params: Mapping[str, str] = dataclass_field(default_factory=dict)
    """Query parameters besides `page` and `pageSize`."""
    page_size: int = 1000
    asks_page_size: bool = True
    """The list takes a `pageSize`; otherwise its pages have this one length."""
    statuses: Statuses | None = None
    reference: bool = False
    inside: str | None = None
    """The records are the elements of this list inside each element of the answer."""
    alone: bool = True
    """One record can be asked for, by `path/id`."""
    webhook: str | None = None
    """The category under which the provider's webhooks tell of changes here; None: they do not."""
    off: bool = False
    """Its feeds are made switched off: premium, or of use to few."""
    named: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda content: content
    """A record by the names that this row uses, where the provider's own may change under our feet."""

    @property
    def shape(self) -> Shape:
        """How the store keeps these records."""
        return Shape(
            resource=self.resource,
            table=self.resource.replace(".", "_"),
            columns=tuple(Column(field.name, field.kind) for field in self.fields),
            timed=self.modified is not None,
            whole=self.paging in WHOLE,
            reference=self.reference,
            off=self.off,
        )


def text(name: str, path: str) -> Field:
    """A column of text; numbers are taken by their digits."""
    return _field(name, path, "text")


def integer(name: str, path: str) -> Field:
    """A column of whole numbers."""
    return _field(name, path, "integer")


def numeric(name: str, path: str) -> Field:
    """A column of exact decimals."""
    return _field(name, path, "numeric")


def boolean(name: str, path: str) -> Field:
    """A column of yes and no."""
    return _field(name, path, "boolean")


def timestamp(name: str, path: str) -> Field:
    """A column of moments, in UTC."""
    return _field(name, path, "timestamp")


def date(name: str, path: str) -> Field:
    """A column of calendar dates."""
    return _field(name, path, "date")


def statuses(field: str, *known: str, archived: tuple[str, ...] = ()) -> Statuses:
    """Where a record's status stands, the words known for it, and those of them that mean archived."""
    return Statuses(field, known, frozenset(archived))


def _field(name: str, path: str, kind: ColumnKind) -> Field:
    return Field(name, tuple(path.split(".")), kind)
