"""Single records that somebody asked for are read one by one, before the list goes on."""

from collections import defaultdict

from config.limits import CallClass
from connectors import errors
from store import presses, runs
from store.runs import Claim, Tally
from sync import stops
from sync.reading import Reader
from sync.services import Services
from sync.stops import Outcome
from sync.storing import store, tell, used

NOT_THERE = (
    "The provider has no such record. What is stored of it stays until two comparisons agree that it is gone."
)
STAYS = "What is stored of it stays as it is."


def read_alone(services: Services, claim: Claim, reader: Reader) -> Outcome | None:
    """Read what was asked for before this slice was claimed; None: the list is to be read as well.

    The version rule holds as for a page, and the fence keeps this read and those of the list in order.
    Each is asked for once: what the provider makes of one record is the answer to who asked for it, and
    never its list's trouble. Raises what stops every call alike: limits, a dead grant, access removed.
    """
    asked: dict[str, list[str]] = defaultdict(list)
    for press in claim.records:
        asked[press.record_id].append(press.id)
    for record_id, press_ids in asked.items():
        _read(services, claim, reader, record_id, press_ids)
        if reader.used_up():
            break
    if not claim.is_for_records_alone:
        return None
    with services.database.transaction() as tx:
        runs.renew(tx, claim)
        ending = runs.end_alone(tx, claim)
    return Outcome("done", messages=(ending.follow_up,) if ending.follow_up else ())


def _read(services: Services, claim: Claim, reader: Reader, record_id: str, press_ids: list[str]) -> None:
    try:
        page = reader.read_alone(record_id, CallClass.PRESS)
    except errors.ConnectorError as error:
        if _stops_every_call(services, claim, error):
            raise
        calls = reader.calls_in_vain(error)
        with services.database.transaction() as tx:
            runs.renew(tx, claim, Tally(calls=calls))
            presses.answer(tx, press_ids, _why_not(error))
            used(tx, claim, calls)
        return
    tally = reader.tally(page)
    tally.pages = 0  # the list's first page is still to come
    with services.database.transaction() as tx:
        runs.renew(tx, claim, tally)
        reader.renewed()
        stored = store(tx, services, claim, page)
        runs.count(tx, claim, stored.counts)
        presses.answer(tx, press_ids, next((reject.sentence for reject in page.rejects), None))
        tell(tx, claim, stored, tally)


def _stops_every_call(services: Services, claim: Claim, error: errors.ConnectorError) -> bool:
    if isinstance(error, errors.AccessLostError):
        return isinstance(stops.confirmed(services, claim, error), errors.AccessLostError)
    all_wait = (errors.RateLimitedError, errors.GrantLostError, errors.ConfigurationError)
    return isinstance(error, all_wait) or error.code == "limiter_unavailable"


def _why_not(error: errors.ConnectorError) -> str:
    if isinstance(error, errors.NotFoundError):
        return NOT_THERE
    if isinstance(error, errors.TransientError):
        said = error.provider_words or error.code
        return f"The provider gave no answer that can be used ({said}). {STAYS} Ask again in a while."
    return " ".join(part for part in (error.sentence, error.provider_words, STAYS) if part)
