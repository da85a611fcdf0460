"""Where Dext calls us: a consent makes the connection, and its end stops it."""

from datetime import datetime

from pydantic import SecretStr

from config.cadence import cadence_of
from connectors.dext.identity import FOR_GOOD
from store import audit, grants, organisations, partner_tokens
from store.database import Transaction
from store.organisations import Link, Organisation
from store.partner_tokens import Code, Token
from sync.files import ITEMS
from sync.providers import LIST_PUSH
from sync.services import Services

# What Dext hands in, and what it asks us for: nothing else of it is known here, and nothing is polled.
RESOURCES = (ITEMS, LIST_PUSH)


def choices(tx: Transaction) -> list[Organisation]:
    """The organisations that Dext may be let in to: Xero is connected, and no Dext account that we call."""
    links = organisations.every_link(tx)
    has_xero = {
        link.organisation_id for link in links if link.provider == "xero" and link.state == "connected"
    }
    called = {link.organisation_id for link in links if link.provider == "dext" and not link.calls_us}
    return [one for one in organisations.everyone(tx) if one.id in has_xero - called]


def accept(tx: Transaction, services: Services, code: Code) -> tuple[str, datetime]:
    """Dext exchanged the code: its organisation is connected. Returns the grant's id and when it ends.

    A consent of before ends with that. Raises ConnectRefusedError when the organisation was connected to a
    Dext account that we call meanwhile.
    """
    ends_at = tx.now + services.settings.dext_connection_life
    grant_id = grants.add(
        tx,
        services.vault,
        provider="dext",
        access_token=SecretStr(""),  # Dext has the tokens: there is nothing of it to keep
        refresh_token=SecretStr(""),
        expires_in=FOR_GOOD,
    )
    cadences = services.settings.cadences
    organisations.connect(
        tx,
        provider="dext",
        name=code.organisation_id,
        tenant_id=f"partner:{code.organisation_id}",
        grant_id=grant_id,
        cadences={name: cadence_of(name, cadences, reference=name == LIST_PUSH) for name in RESOURCES},
        actor=code.consented_by,
        expires_at=ends_at,
        calls_us=True,
    )
    partner_tokens.exchanged(tx, code, grant_id)
    partner_tokens.forget(tx, code.organisation_id, but_of=grant_id)
    return grant_id, ends_at


def end(tx: Transaction, organisation_id: str, grant_id: str, *, why: str) -> None:
    """The consent is over: none of its tokens counts any more, and the connection stops."""
    if grants.end(tx, grant_id):
        audit.note(tx, actor="dext", action="consent ended", organisation_id=organisation_id, why=why)
    partner_tokens.forget(tx, organisation_id)


def whose(tx: Transaction, token: str) -> tuple[Organisation, Link] | None:
    """The one organisation that an access token reaches, and its connection to Dext."""
    found: Token | None = partner_tokens.find(tx, token, "access")
    if found is None:
        return None
    return organisations.find(tx, found.organisation_id), organisations.link(tx, found.connection_id)


def is_xero_connected(tx: Transaction, organisation: Organisation) -> bool:
    """Whether Xero can be read and written for this organisation."""
    return any(
        link.provider == "xero" and link.state == "connected"
        for link in organisations.links(tx, organisation.id)
    )
