"""Feeds that a person switches on and off."""

from store import audit, feeds
from store.database import Transaction
from store.organisations import Organisation, UnknownResourceError, feed_of


def switch(tx: Transaction, organisation: Organisation, resource: str, *, on: bool, actor: str) -> None:
    """Read a feed from now on, at once and on from its cursor; or no more. What is stored stays.

    Raises UnknownResourceError when the organisation has no such feed, or its provider calls us for it.
    """
    feed_id = feed_of(tx, organisation, resource, even_off=True)
    if feeds.is_handed_in(tx, feed_id):
        raise UnknownResourceError(
            f"{resource} of {organisation.slug} is never read: its provider calls us for it by itself."
            " There is nothing to switch."
        )
    if on:
        feeds.switch_on(tx, feed_id)
    else:
        feeds.switch_off(tx, feed_id, "by hand")
    audit.note(
        tx,
        actor=actor,
        action="switched on" if on else "switched off",
        organisation_id=organisation.id,
        resource=resource,
    )
