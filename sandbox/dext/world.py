"""Everything this Dext knows and remembers, wired together."""

import random
import secrets
from typing import Any

from sandbox.clock import Clock
from sandbox.dataset import Dataset
from sandbox.dext.accounts import Account, make_accounts
from sandbox.dext.kinds import DEXT_RESOURCES
from sandbox.dext.oauth import Identity
from sandbox.dext.outcomes import Outcomes
from sandbox.dext.pushing import Job, Jobs
from sandbox.dext.reading import body_of
from sandbox.dext.remembered import Remembered
from sandbox.dext.switches import Switches
from sandbox.limits import Limits, Numbers
from sandbox.records import RecordList

# Nothing is said of days, nor of the app as a whole.
NUMBERS = Numbers(day=10**9, minute=60, in_flight=2)


class DextWorld:
    """One Dext: its accounts, who may come in, how each account behaves, and what was written to it."""

    def __init__(self, dataset: Dataset, clock: Clock) -> None:
        self.dataset = dataset
        self.clock = clock
        self.accounts = make_accounts(dataset)
        self.identity = Identity(clock, dataset.seed, self.accounts)
        self.limits = Limits(dataset.seed, app_minute=10**9)
        for account in self.accounts:
            self.limits.open(account, NUMBERS)
        self.switches = dict.fromkeys(self.accounts, Switches())
        self.jobs = Jobs()
        self.outcomes = Outcomes()
        self.remembered = Remembered()

    def list_of(self, account: str, resource: str) -> RecordList:
        """One account's list as it is now, with what has come due."""
        self.jobs.settle(account, self.clock.now(), lambda kind: self._list(account, f"dext.{kind}"))
        records = self._list(account, resource)
        records.settle(self.clock.now())
        return records

    def bodies(self, account: str, resource: str) -> list[bytes]:
        """A whole list in the bytes that its answers have now, deleted items included."""
        records = self.list_of(account, resource)
        return [body_of(records, row, self.switches[account]) for row in records.rows]

    def push(self, account: str, kind: str, mode: str, entries: list[Any]) -> Job:
        """Take a list in; its job ends when the account's switch says."""
        switches = self.switches[account]
        number, now = len(self.jobs.all) + 1, self.clock.now()
        job_id = f"job_{random.Random(number).randrange(16**8):08x}{number}"
        job = Job(job_id, account, kind, mode, entries, now, switches.job_seconds, switches.reject)
        self.jobs.begin(job)
        return job

    def connect(self, account: str) -> str:
        """Let a person consent anew; returns the refresh token that comes of it."""
        token = f"dxr_{secrets.token_urlsafe(32)}"
        self.identity.connect(account, token)
        return token

    def grants(self) -> dict[str, Any]:
        """The client's credentials, and each account's current refresh token."""
        accounts = [self._granted(account) for account in self.accounts.values()]
        identity = self.identity
        return {
            "client_id": identity.client_id,
            "client_secret": identity.client_secret,
            "accounts": accounts,
        }

    def calm(self) -> None:
        """The contract's own behaviour, the usual limits with nothing used up; data and tokens stay."""
        self.switches = dict.fromkeys(self.accounts, Switches())
        self.limits.calm()

    def tell(self) -> dict[str, Any]:
        """What a restart must not forget."""
        return {
            "grants": self.identity.grants,
            "access": self.identity.access,
            "limits": self.limits,
            "switches": self.switches,
            "jobs": self.jobs,
            "outcomes": self.outcomes,
            "remembered": self.remembered,
        }

    def take(self, told: dict[str, Any]) -> None:
        """Go on from what was told."""
        self.identity.grants, self.identity.access = told["grants"], told["access"]
        self.limits, self.switches = told["limits"], told["switches"]
        self.jobs, self.outcomes, self.remembered = told["jobs"], told["outcomes"], told["remembered"]
        for budget in self.limits.budgets.values():
            budget.in_flight = 0

    def _list(self, account: str, resource: str) -> RecordList:
        return self.dataset.list_of(self.accounts[account].tenant, DEXT_RESOURCES[resource])

    def _granted(self, account: Account) -> dict[str, Any]:
        token = self.identity.grants[account.id].current
        return {
            "account_id": account.id,
            "name": account.name,
            "refresh_token": token,
            "tenant_id": account.tenant,
        }
