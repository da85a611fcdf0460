"""Sends signed webhooks about an organisation that nobody knows, and tells how long each answer took.

    python -m bench.sender URL COUNT AT_ONCE < key

A process of its own: the sandbox, which sends those that count, has all of Xero to play besides.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator

import aiohttp


def main() -> None:
    url, count, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    key = sys.stdin.read().strip()
    print(json.dumps(asyncio.run(_send(url, key, count, at_once))))


async def _send(url: str, key: str, count: int, at_once: int) -> list[float]:
    letters, took = _letters(key, count), []

    async def carry(session: aiohttp.ClientSession) -> None:
        for body, signature in letters:  # each letter is taken by one of them
            began = time.monotonic()
            async with session.post(url, data=body, headers={"x-xero-signature": signature}) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit(f"answered {answer.status}")
            took.append(round((time.monotonic() - began) * 1000, 2))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*[carry(session) for _ in range(at_once)])
    return took


def _letters(key: str, count: int) -> Iterator[tuple[bytes, str]]:
    for number in range(1, count + 1):
        event = {
            "resourceId": f"record-{number}",
            "tenantId": "nobody-here",
            "eventCategory": "INVOICE",
            "eventType": "UPDATE",
            "eventDateUtc": "2026-06-27T10:15:00.000",
        }
        told = {"events": [event], "firstEventSequence": number, "lastEventSequence": number}
        body = json.dumps(told).encode()
        signed = hmac.new(key.encode(), body, hashlib.sha256).digest()
        yield body, base64.b64encode(signed).decode()


if __name__ == "__main__":
    main()
