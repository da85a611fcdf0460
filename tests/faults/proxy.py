"""A TCP way that can be cut: between the product and a server, for as long as a test likes."""

import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

Mood = Literal["open", "refuses", "silent"]
PIECE = 65536


@dataclass
class _End:
    """One end of a connection: its socket, what waits to be sent there, and the other end."""

    socket: socket.socket
    waiting: bytearray
    other: "_End | None" = None


class Proxy:
    """Passes bytes to and fro; refuses, falls silent or cuts when told to.

    *Silent* is the half-open connection: accepted and kept, nothing passes, nobody is told.
    """

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._door = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._door.setblocking(False)
        self.port = int(self._door.getsockname()[1])
        self.accepted = 0
        self._mood: Mood = "open"
        self._ends: dict[socket.socket, _End] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._told, self._tell = socket.socketpair()
        self._selector.register(self._told, selectors.EVENT_READ)
        self._orders: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def refuse(self) -> None:
        """Cut every connection; a new one is closed at once."""
        self._order("refuses")

    def fall_silent(self) -> None:
        """Keep every connection, pass nothing on."""
        self._order("silent")

    def cut(self) -> None:
        """Reset every connection; new ones are welcome."""
        self._order("cut")

    def open(self) -> None:
        """All is well again; what was silent is cut, as a router does that has forgotten the connection."""
        self._order("open")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._order("end")
        self._thread.join()
        for each in (self._door, self._told, self._tell, self._selector):
            each.close()

    def _order(self, what: str) -> None:
        self._orders.append(what)
        self._tell.send(b"!")

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select():
                if key.fileobj is self._told:
                    self._told.recv(PIECE)
                elif key.fileobj is self._door:
                    self._accept()
                elif (end := self._ends.get(key.fileobj)) and self._mood == "open":  # type: ignore[call-overload]
                    self._pass(end, events)
            while self._orders:
                if not self._obey(self._orders.pop(0)):
                    return

    def _obey(self, order: str) -> bool:
        if order == "silent":
            self._mood = "silent"
            for end in self._ends.values():
                self._selector.unregister(end.socket)
            return True
        silent, self._mood = self._mood == "silent", "refuses" if order == "refuses" else "open"
        if order in ("refuses", "cut", "end") or silent:
            for end in list(self._ends.values()):
                self._drop(end)
        return order != "end"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            inner, _ = self._door.accept()
            self.accepted += 1
            if self._mood == "refuses":
                _reset(inner)
                return
            try:
                outer = socket.create_connection(self._to, timeout=1)
            except OSError:
                _reset(inner)
                return
            near, far = _End(inner, bytearray()), _End(outer, bytearray())
            near.other, far.other = far, near
            for end in (near, far):
                end.socket.setblocking(False)
                end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._ends[end.socket] = end
                if self._mood == "open":
                    self._selector.register(end.socket, selectors.EVENT_READ)

    def _pass(self, end: _End, events: int) -> None:
        other = end.other
        try:
            if events & selectors.EVENT_WRITE and end.waiting:
                del end.waiting[: end.socket.send(end.waiting)]
            if events & selectors.EVENT_READ and other:
                piece = end.socket.recv(PIECE)
                if not piece:
                    self._farewell(end)
                    return
                other.waiting += piece
                with contextlib.suppress(BlockingIOError):
                    del other.waiting[: other.socket.send(other.waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(end)
            return
        for each in (end, other):
            if each:
                self._listen(each)

    def _listen(self, end: _End) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if end.waiting else 0)
        self._selector.modify(end.socket, events)

    def _farewell(self, end: _End) -> None:
        """One side has said all it had to say: so does the other, once it has heard it."""
        if other := end.other:
            other.socket.settimeout(1)
            with contextlib.suppress(OSError):
                other.socket.sendall(other.waiting)
        self._drop(end, gently=True)

    def _drop(self, end: _End, *, gently: bool = False) -> None:
        for each in (end, end.other):
            if each and self._ends.pop(each.socket, None):
                with contextlib.suppress(KeyError):
                    self._selector.unregister(each.socket)
                each.socket.close() if gently else _reset(each.socket)


def _reset(connection: socket.socket) -> None:
    """Close as a machine does that is gone: by a reset, not by a farewell."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
