"""Connects the sandbox's organisations once: to Xero by grants that serve several, to Dext by one each."""

from pydantic import SecretStr

from ledgertide.connect import Wish, connect_by_grant_of, connect_by_token
from ledgertide.embedded.sandbox_doors import SandboxDoors
from store import organisations
from sync.services import Services

BY = "embedded"


def connect_sandbox(services: Services, doors: SandboxDoors) -> int:
    """Connect what is not connected yet; returns to how many organisations something came. Safe to repeat."""
    app = doors.grants()
    holders = _holders(services, "xero")
    connected = set()
    for grant in app["grants"]:
        holder = next(
            (holders[one["tenant_id"]] for one in grant["tenants"] if one["tenant_id"] in holders), None
        )
        for tenant in grant["tenants"]:
            if tenant["tenant_id"] in holders:
                continue
            wish = Wish("xero", tenant["name"], tenant["tenant_id"], tenant.get("day_limit"))
            if holder is None:
                holder = connect_by_token(services, wish, SecretStr(grant["refresh_token"]), by=BY).slug
                connected.add(holder)
            else:
                connected.add(connect_by_grant_of(services, wish, holder, by=BY).slug)
    if "dext" in services.providers:
        connected |= _connect_dext(services, app["dext"]["accounts"])
    return len(connected)


def _connect_dext(services: Services, accounts: list[dict[str, str]]) -> set[str]:
    """Each account beside the organisation whose books it feeds."""
    known, beside = _holders(services, "dext"), _holders(services, "xero")
    return {
        connect_by_token(
            services,
            Wish("dext", beside.get(account["tenant_id"], account["name"]), account["account_id"]),
            SecretStr(account["refresh_token"]),
            by=BY,
        ).slug
        for account in accounts
        if account["account_id"] not in known
    }


def _holders(services: Services, provider: str) -> dict[str, str]:
    """Tenant → the slug of the organisation that is connected to it."""
    with services.database.reading() as tx:
        slugs = {one.id: one.slug for one in organisations.everyone(tx)}
        links = organisations.every_link(tx)
    return {link.tenant_id: slugs[link.organisation_id] for link in links if link.provider == provider}
