"""Connects the sandbox's organisations once: each grant becomes one row, whatever number it serves."""

from pydantic import SecretStr

from ledgertide.connect import Wish, connect_by_grant_of, connect_by_token
from ledgertide.embedded.sandbox_doors import SandboxDoors
from store import organisations
from sync.services import Services

PROVIDER = "xero"
BY = "embedded"


def connect_sandbox(services: Services, doors: SandboxDoors) -> int:
    """Connect what is not connected yet and return how many that were; a second start finds none."""
    with services.database.reading() as tx:
        slugs = {one.id: one.slug for one in organisations.everyone(tx)}
        holders = {
            link.tenant_id: slugs[link.organisation_id]
            for link in organisations.every_link(tx)
            if link.provider == PROVIDER
        }
    connected = 0
    for grant in doors.grants()["grants"]:
        holder = next(
            (holders[one["tenant_id"]] for one in grant["tenants"] if one["tenant_id"] in holders), None
        )
        for tenant in grant["tenants"]:
            if tenant["tenant_id"] in holders:
                continue
            wish = Wish(PROVIDER, tenant["name"], tenant["tenant_id"], tenant.get("day_limit"))
            if holder is None:
                holder = connect_by_token(services, wish, SecretStr(grant["refresh_token"]), by=BY).slug
            else:
                connect_by_grant_of(services, wish, holder, by=BY)
            connected += 1
    return connected
