"""Who wants to be told, and how that is done: at once, or as untidily as was asked for."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.clock import Clock
from sandbox.webhooks import dext, xero
from sandbox.webhooks.habits import Habits
from sandbox.webhooks.happening import Happening
from sandbox.webhooks.post import Letter, PostOffice

Signing = Callable[[], Mapping[str, str]]
"""Makes the headers of one attempt."""
# What is overtaken, or comes twice, is held back for up to this long.
HELD_BACK_SECONDS = 1.0


@dataclass
class Subscription:
    """One app's webhook at Xero, or one account's at Dext: where it goes, what signs it, what was counted."""

    url: str
    key: str
    account: str | None = None  # Dext's, and the tenant whose books it feeds
    tenant: str | None = None
    sequence: int = 0

    def hears(self, happening: Happening) -> bool:
        """Whether this is told of it."""
        if self.account is None:
            return xero.is_told(happening)
        return dext.is_told(happening) and happening.tenant == self.tenant


@dataclass
class Webhooks:
    """Tells every subscription of what happens."""

    clock: Clock
    seed: int
    post: PostOffice = field(default_factory=PostOffice)
    habits: Habits = field(default_factory=Habits)
    subscriptions: list[Subscription] = field(default_factory=list)
    waiting: list[Happening] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = random.Random(f"{self.seed}:webhooks")
        self._came = asyncio.Event()

    @property
    def under_way(self) -> int:
        """How many deliveries are not taken yet, or not even begun."""
        return self.post.under_way + len(self.waiting)

    def hear(self, tenant: str, resource: str, action: str, ids: Sequence[str]) -> None:
        """Something was done; nobody need have subscribed."""
        if not self.subscriptions:
            return
        at_ms = self.clock.now_ms()
        happened = [Happening(tenant, resource, action, record_id, at_ms) for record_id in ids]
        self.waiting += [each for each in happened if any(one.hears(each) for one in self.subscriptions)]
        self._came.set()

    def turn(self, habits: Habits) -> None:
        """Deliver in another way from now on."""
        self.habits = habits
        self.post.at_once(habits.at_once)

    async def tell(self) -> None:
        """Deliver what happens, for ever."""
        while True:
            await self._came.wait()
            self._came.clear()
            happened, self.waiting = self.waiting, []
            for subscription in self.subscriptions:
                self._deliver(subscription, [each for each in happened if subscription.hears(each)])

    async def ready(self, subscription: Subscription) -> list[dict[str, Any]]:
        """Ask four times, without events, whether somebody can tell our signature from a wrong one."""
        found = []
        for wrong in (False, True, False, True):
            content = self._question(subscription)
            letter = Letter(
                subscription.url, content, self._signing(subscription, content, wrong=wrong), 0, "ready"
            )
            posted = await self.post.deliver(letter)
            taken = 200 if subscription.account is None else 202
            as_wanted = posted.status == (401 if wrong else taken) and posted.tidy
            found.append({"wrong": wrong, "status": posted.status, "ok": as_wanted})
        return found

    def _question(self, subscription: Subscription) -> bytes:
        if subscription.account is None:
            return xero.body([], 0, self.source, fraction=True)
        return dext.event("ping", subscription.account, self.clock.now_ms(), self.source)

    def _signing(self, subscription: Subscription, content: bytes, *, wrong: bool = False) -> Signing:
        key = subscription.key
        if subscription.account is None:
            return lambda: xero.headers(content, key, wrong=wrong)
        return lambda: dext.headers(content, key, self.clock.now(), wrong=wrong)

    def calm(self) -> None:
        """Nobody is told any more."""
        self.subscriptions.clear()
        self.waiting.clear()
        self.turn(Habits())

    def _deliver(self, subscription: Subscription, happened: Sequence[Happening]) -> None:
        begin = 0
        while begin < len(happened):
            most = self.habits.together if subscription.account is None else 1
            size = self.source.randint(1, most)
            together = happened[begin : begin + size]
            begin += size
            first = subscription.sequence + 1
            subscription.sequence += len(together)
            if not self._chance(self.habits.lose):
                self._send(subscription, together, first)

    def _send(self, subscription: Subscription, together: Sequence[Happening], first: int) -> None:
        habits = self.habits
        content = self._content(subscription, together, first)
        letter = Letter(
            subscription.url,
            content,
            self._signing(subscription, content),
            len(together),
            "true",
            first,
            habits.again_seconds,
        )
        delay = habits.delay_seconds
        if self._chance(habits.overtake):
            delay += self.source.uniform(0, HELD_BACK_SECONDS)
        self.post.send(letter, delay)
        if self._chance(habits.double):
            self.post.send(replace(letter, kind="double"), delay + self.source.uniform(0, HELD_BACK_SECONDS))
        if self._chance(habits.forge):
            self.post.send(self._forged(subscription, letter, together[0]), delay)

    def _content(self, subscription: Subscription, together: Sequence[Happening], first: int) -> bytes:
        if subscription.account is None:
            return xero.body(together, first, self.source, fraction=self.habits.fraction)
        return dext.body(together[0], subscription.account, self.source)

    def _forged(self, subscription: Subscription, letter: Letter, happening: Happening) -> Letter:
        """Something that never happened, signed by somebody who does not have the key."""
        never = replace(happening, record_id=str(self.source.getrandbits(64)))
        content = self._content(subscription, [never], letter.first)
        signing = self._signing(replace(subscription, key="somebody else's key"), content)
        return Letter(letter.url, content, signing, 1, "forged", letter.first)

    def _chance(self, share: float) -> bool:
        return share > 0 and self.source.random() < share
