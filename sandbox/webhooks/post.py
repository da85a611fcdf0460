"""Posts deliveries, a few at once, again and again until they are taken, and remembers how each fared."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=5)  # Xero waits for so long
REMEMBERED = 50_000


@dataclass(frozen=True)
class Letter:
    """One delivery on its way."""

    url: str
    body: bytes
    headers: Callable[[], Mapping[str, str]]
    """Made for each attempt: a signature may hold the time."""
    events: int
    kind: str  # true, double, forged, ready (asks whether somebody is there)
    first: int = 0
    again_seconds: float = 900.0


@dataclass(frozen=True)
class Posted:
    """One attempt; status 0: there was no answer. `tidy`: empty, and without a cookie."""

    number: int
    kind: str
    first: int
    events: int
    attempt: int
    status: int
    milliseconds: float
    tidy: bool


class PostOffice:
    """Takes letters at any time; carries them while the sandbox runs."""

    def __init__(self) -> None:
        self.log: deque[Posted] = deque(maxlen=REMEMBERED)
        self.last = 0
        self.under_way = 0
        self.at_hand = 0
        """Of them those whose time has come: each has one of the places, or waits for one."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._places = asyncio.Semaphore(4)

    def at_once(self, number: int) -> None:
        """Carry so many at a time from now on."""
        self._places = asyncio.Semaphore(number)

    def send(self, letter: Letter, delay: float = 0.0) -> None:
        """Carry it, after a delay; what was forged is not repeated."""
        self.under_way += 1
        task = asyncio.get_running_loop().create_task(self._carry(letter, delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def deliver(self, letter: Letter, attempt: int = 1) -> Posted:
        """One attempt."""
        status, tidy, began = 0, False, time.monotonic()
        with contextlib.suppress(aiohttp.ClientError, OSError, EOFError, TimeoutError):
            status, tidy = await self.ask(letter)
        self.last += 1
        took = round((time.monotonic() - began) * 1000, 2)
        posted = Posted(self.last, letter.kind, letter.first, letter.events, attempt, status, took, tidy)
        self.log.append(posted)
        return posted

    async def ask(self, letter: Letter) -> tuple[int, bool]:
        """Bring it once; the status of the answer, and whether that is tidy."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(timeout=TIMEOUT, connector=connector)
        async with self._session.post(letter.url, data=letter.body, headers=dict(letter.headers())) as answer:
            return answer.status, await answer.read() == b"" and "Set-Cookie" not in answer.headers

    def after(self, number: int) -> list[dict[str, Any]]:
        """The attempts after this one."""
        return [asdict(posted) for posted in self.log if posted.number > number]

    async def close(self) -> None:
        """Carry nothing more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _carry(self, letter: Letter, delay: float) -> None:
        try:
            await asyncio.sleep(delay)
            attempt = 1
            while True:
                self.at_hand += 1
                try:
                    async with self._places:
                        posted = await self.deliver(letter, attempt)
                finally:
                    self.at_hand -= 1
                if 200 <= posted.status < 300 or letter.kind == "forged":
                    return
                if attempt > 1:
                    await asyncio.sleep(letter.again_seconds)
                attempt += 1
        finally:
            self.under_way -= 1
