"""The sandbox's Xero as a sender of webhooks, in a process of its own: it plays nothing besides.

    python -m bench.sender URL AT_ONCE < key and edits

The first line of its input is the key; each that follows is an edit, as JSON: tenant, resource, action, ids.
It tells of them as untidily as the sandbox does, and answers every line with how many deliveries are at hand,
and how many under way, with those that are to be late. At the end of its input it waits for those, and prints every attempt.
"""

import asyncio
import json
import sys
from typing import Any

import uvloop

from sandbox.clock import Clock
from sandbox.webhooks.habits import Habits
from sandbox.webhooks.subscriptions import Subscription, Webhooks

HABITS = Habits(double=0.2, forge=0.1, overtake=0.2, again_seconds=1.0)
SEED = 7


def main() -> None:
    url, at_once = sys.argv[1], int(sys.argv[2])
    uvloop.run(_send(url, sys.stdin.readline().strip(), at_once))


async def _send(url: str, key: str, at_once: int) -> None:
    webhooks = Webhooks(Clock(), SEED, habits=HABITS, subscriptions=[Subscription(url, key)])
    webhooks.post.at_once(at_once)
    telling = asyncio.create_task(webhooks.tell())
    while line := await asyncio.to_thread(sys.stdin.readline):
        if edit := json.loads(line):
            webhooks.hear(*edit)
        _say([webhooks.post.at_hand, webhooks.under_way])
    while webhooks.under_way:
        await asyncio.sleep(0.05)
    telling.cancel()
    _say(webhooks.post.after(0))
    await webhooks.post.close()


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
