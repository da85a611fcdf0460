"""Sends an answer to its end, or spoils it on its way."""

import asyncio
import socket
import struct

from aiohttp import web

from sandbox.answers import Answer
from sandbox.faults import Fault

# A socket closed with this on sends a reset instead of a goodbye.
_NO_GOODBYE = struct.pack("ii", 1, 0)

_PIECES = 20


async def send(
    request: web.Request, answer: Answer, headers: dict[str, str], fault: Fault | None
) -> web.StreamResponse:
    """Send an answer to its end, or as far as the fault lets it come."""
    kind = fault.kind if fault is not None else None
    if fault is not None and kind == "slow":
        await asyncio.sleep(fault.seconds)
    if kind == "lost_answer":
        return cut_off(request)
    if fault is not None and kind == "drip":
        return await _drip(request, answer, headers, fault.seconds)
    if fault is not None and kind == "trickle":
        return await _trickle(request, answer, headers, fault.seconds)
    body = answer.body
    if kind == "truncated":
        body = body[: len(body) * 2 // 3]
    if kind == "cut":
        return await _cut_short(request, answer, headers)
    response = web.Response(status=answer.status, body=body or None, headers=headers)
    if "Content-Type" not in headers:  # aiohttp would make one up
        response.headers.popall("Content-Type", None)
    await response.prepare(request)
    await response.write_eof()
    return response


async def _cut_short(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Promise the whole length, send a part of it, hang up."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) * 2 // 3])
    if request.transport is not None:
        request.transport.close()
    return response


async def _drip(
    request: web.Request, answer: Answer, headers: dict[str, str], seconds: float
) -> web.StreamResponse:
    """A byte now and then, and never an end; until the client leaves."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    while request.transport is not None and not request.transport.is_closing():
        await response.write(b" ")
        await asyncio.sleep(seconds)
    return response


async def _trickle(
    request: web.Request, answer: Answer, headers: dict[str, str], seconds: float
) -> web.StreamResponse:
    """The whole answer, piece by piece, spread over some seconds."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    length = max(1, -(-len(answer.body) // _PIECES))
    for start in range(0, len(answer.body), length):
        await asyncio.sleep(seconds / _PIECES)
        await response.write(answer.body[start : start + length])
    await response.write_eof()
    return response


def cut_off(request: web.Request) -> web.StreamResponse:
    """Reset the connection as a failing network does."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_GOODBYE)
        transport.abort()
    return web.Response(status=500)
