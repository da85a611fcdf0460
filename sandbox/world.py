"""Everything the sandbox knows and remembers, wired together."""

from sandbox.calls import Calls
from sandbox.clock import Clock
from sandbox.dataset import Dataset, make_grants
from sandbox.dext.world import DextWorld
from sandbox.edits import Edits
from sandbox.faults import Faults
from sandbox.limits import Limits, Numbers
from sandbox.lists import Reading
from sandbox.oauth import Identity
from sandbox.webhooks.subscriptions import Webhooks
from sandbox.writes.desk import Desk


class World:
    """One Xero and the Dext beside it: who may come in, what they have used up, and what goes wrong."""

    def __init__(
        self, *, seed: int, organisations: int, client_secret: str | None = None, latency: float = 0.0
    ) -> None:
        self.seed = seed
        self.latency = latency
        self.reading: Reading = "inclusive"
        self.clock = Clock()
        self.dataset = Dataset(seed, organisations)
        self.identity = Identity(self.clock, seed, make_grants(self.dataset), client_secret)
        self.limits = Limits(seed)
        for organisation in self.dataset.organisations.values():
            self.limits.open(organisation.tenant_id, Numbers(day=organisation.day_limit))
        self.dext = DextWorld(self.dataset, self.clock)
        self.faults = Faults()
        self.webhooks = Webhooks(self.clock, seed)
        self.edits = Edits(self.dataset, self.clock, self.webhooks.hear)
        self.desk = Desk(self.dataset, self.clock, self.webhooks.hear)
        self.calls = Calls()
        self.version = 0  # rises with everything a restart must not forget

    def calm(self) -> None:
        """No faults, no armed edits, nobody told, the usual limits unused; data, clock and tokens stay."""
        self.faults.clear()
        self.edits.armed.clear()
        self.desk.ledger.calm()
        self.webhooks.calm()
        self.reading = "inclusive"
        self.limits.calm()
        self.dext.calm()

    def changed(self) -> None:
        """Something happened that a state file should hold."""
        self.version += 1
