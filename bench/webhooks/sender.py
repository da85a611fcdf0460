"""The sandbox's Xero as a sender of webhooks, in a process of its own: it plays nothing besides.

    python -m bench.webhooks.sender URL AT_ONCE < key and edits

The first line of its input is the key; each that follows is an edit, as JSON: tenant, resource, action, ids.
It tells of them as untidily as the sandbox does, and answers every line with how many deliveries are at hand,
and how many under way, with those that are to be late. At the end of its input it waits for those, and
prints every attempt.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

import uvloop

from sandbox.clock import Clock
from sandbox.webhooks.habits import Habits
from sandbox.webhooks.post import Letter, PostOffice
from sandbox.webhooks.subscriptions import Subscription, Webhooks

HABITS = Habits(double=0.2, forge=0.1, overtake=0.2, again_seconds=1.0)
SEED = 7
ANSWERED_WITHIN_SECONDS = 5.0  # Xero waits for so long

EMPTY = b"content-length: 0"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class PlainPost(PostOffice):
    """The same letters over plain sockets: whatever a provider takes of this machine, web has not."""

    def __init__(self) -> None:
        super().__init__()
        self._resting: list[Connection] = []

    async def ask(self, letter: Letter) -> tuple[int, bool]:
        """Bring it once, over a connection that rests or a new one; an answer with a body is not tidy."""
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            head = (await self._head_of_answer(letter)).lower()
        lines = head.split(b"\r\n")
        is_bare = not any(line.startswith(b"set-cookie") for line in lines)
        return int(lines[0].split()[1]), is_bare and EMPTY in lines

    async def _head_of_answer(self, letter: Letter) -> bytes:
        to = urlsplit(letter.url)
        reader, writer = (
            self._resting.pop()
            if self._resting
            else await asyncio.open_connection(to.hostname, to.port, limit=2**16)
        )
        headers = {"Host": to.netloc, "Content-Length": str(len(letter.body)), **letter.headers()}
        lines = [f"POST {to.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        try:
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + letter.body)
            head = await reader.readuntil(b"\r\n\r\n")
        except BaseException:
            writer.close()
            raise
        if EMPTY in head.lower().split(b"\r\n"):
            self._resting.append((reader, writer))
        else:
            writer.close()
        return head


def main() -> None:
    url, at_once = sys.argv[1], int(sys.argv[2])
    uvloop.run(_send(url, sys.stdin.readline().strip(), at_once))


async def _send(url: str, key: str, at_once: int) -> None:
    webhooks = Webhooks(
        Clock(), SEED, habits=HABITS, subscriptions=[Subscription(url, key)], post=PlainPost()
    )
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
