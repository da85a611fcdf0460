"""What reads a provider's lists, whoever the provider is."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from config.limits import CallClass
from connectors.endpoints import Endpoint
from connectors.http import Access
from connectors.pages import Cursor, Page


class Connector(Protocol):
    """Reads one provider's lists, one page at a time. One object serves all threads of a process."""

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Its lists by resource, as they are read here: settings may have a say in that."""
        ...

    def begin(self, resource: str, newest: datetime | None) -> Cursor:
        """The cursor of a run that goes on from `newest`, less an overlap; None reads from the beginning."""
        ...

    def newest(self, cursor: Cursor) -> datetime | None:
        """Up to here reading is without a gap: the feed's cursor, when the run ends or is broken off.

        None while nothing is known, and for lists that are read whole each time.
        """
        ...

    def read(
        self,
        resource: str,
        cursor: Cursor,
        access: Access,
        call_class: CallClass,
        before_attempt: Callable[[], None],
    ) -> Page:
        """One page, by one GET that succeeded; ConnectorError when none did.

        `before_attempt` is called before each HTTP attempt. The page's cursor is plain JSON and can be taken
        up again after any pause; store it together with the page's records.
        """
        ...

    def read_alone(
        self,
        resource: str,
        record_id: str,
        access: Access,
        call_class: CallClass,
        before_attempt: Callable[[], None],
    ) -> Page:
        """One record by its id, as a page of its own; NotFoundError when the provider has none.

        ValueError for a list whose records cannot be asked for one by one.
        """
        ...
