"""The Dext accounts of a seed: one beside each Xero organisation, but for two that have none."""

import random
from dataclasses import dataclass

from sandbox.dataset import Dataset

_WITHOUT = (3, 17)


@dataclass(frozen=True)
class Account:
    """One business in Dext, and the tenant whose books it feeds."""

    id: str
    name: str
    tenant: str
    currency: str


def make_accounts(dataset: Dataset) -> dict[str, Account]:
    """Every account by its id."""
    source = random.Random(f"{dataset.seed}:dext:accounts")
    first = source.randrange(1000, 9000)
    accounts = (
        Account(f"acc_{first + each.index * 7}", each.name, each.tenant_id, each.country.currency)
        for each in dataset.organisations.values()
        if each.index not in _WITHOUT
    )
    return {account.id: account for account in accounts}
