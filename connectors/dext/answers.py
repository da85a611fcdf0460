"""One answer of Dext's is read as a page, a record, or an object; what nobody can read is no success."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from config.dext import DextSettings
from connectors.answers import Reading, open_list, read_elements
from connectors.dext.wire import ROOT, next_cursor, page_limit
from connectors.endpoints import Endpoint
from connectors.errors import BrokenAnswerError, ConfigurationError, TransientError
from connectors.exact import Element, read_whole
from connectors.hints import answered_at
from connectors.transport import Answer

T = TypeVar("T")


def read_page(settings: DextSettings, endpoint: Endpoint, answer: Answer) -> tuple[Reading, str | None]:
    """The records of a page, and the key of the page that follows, if it has one."""
    _refuse_page_of_web(answer)
    members, elements = open_list(endpoint.root, answer.body)
    key = _following(members, needed=settings.dext_paging == "cursor")
    limit = page_limit(members)
    match settings.dext_paging:
        case "cursor":
            more: bool | None = key is not None
        case "page":
            more = None if limit is None else len(elements) >= max(limit, 1)
        case "none":
            more = False
    if key is not None and settings.dext_paging != "cursor":
        raise ConfigurationError(
            "Dext's list goes on by a cursor, but the settings say otherwise."
            " Set LEDGERTIDE_DEXT_PAGING to cursor.",
            code="paging_differs",
        )
    return read_elements(endpoint, elements, answered_at=answered_at(answer), more=more), key


def _following(members: Mapping[str, Any], *, needed: bool) -> str | None:
    try:
        return next_cursor(members)
    except (LookupError, TypeError) as error:
        if not needed:
            return None
        raise BrokenAnswerError(
            "The provider's answer does not say whether its list goes on. It is asked again by itself."
        ) from error


def read_alone(endpoint: Endpoint, answer: Answer) -> Reading:
    """The one record that was asked for."""
    return read_elements(endpoint, (_object(answer),), answered_at=answered_at(answer))


def read_value(answer: Answer, from_wire: Callable[[Mapping[str, Any]], T]) -> T:
    """The one object that was asked for, as `from_wire` has it."""
    try:
        return from_wire(_object(answer).value)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise BrokenAnswerError(
            "The provider's answer lacks what it should say. It is asked again by itself."
        ) from error


def _object(answer: Answer) -> Element:
    _refuse_page_of_web(answer)
    text = answer.body.decode("utf-8-sig", "surrogateescape")
    try:
        return read_whole(text, ROOT)
    except (ValueError, RecursionError) as error:
        raise BrokenAnswerError(
            "The provider sent text that is cut off or no JSON. It is asked again by itself."
        ) from error


def _refuse_page_of_web(answer: Answer) -> None:
    # A page to sign in at, or of a proxy: asking again at once shows the same one.
    if answer.body.lstrip()[:1] == b"<":
        raise TransientError(
            "Dext sent an unexpected answer, a web page. It is tried again later.", code="unexpected_answer"
        )
