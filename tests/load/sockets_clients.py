"""Many sockets in one process, at little cost: no library, no task, one epoll. Counts the messages with
quotes and how old these were. Started by sockets.py; told what to do, and answers, by lines of JSON.

`python -m tests.load.sockets_clients PORT PATH`
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

BUFFER: Final = 512 * 1024
AT_ONCE: Final = 200  # handshakes under way
PATCH: Final = b'{"type":"quotes_patch"'
SNAPSHOT: Final = b'{"type":"quotes_snapshot"'
RECEIVED_AT: Final = b'/received_at","value":"'
STAMP: Final = len("2026-01-01T00:00:00.000000Z")
BUCKET_MS: Final = 0.5


class Client:
    """One socket: where it is in the message that is coming in."""

    __slots__ = ("head", "left", "sock", "stamp")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.head = b""  # of a frame whose header, or whose beginning, has not come whole
        self.left = 0  # of a message whose beginning has come
        self.stamp: float | None = None


class Clients:
    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._stamps: dict[bytes, float] = {}
        self.messages = 0
        self.bytes = 0
        self.snapshots = 0
        self.closed = 0
        self.ages: Counter[int] = Counter()

    def connect(self, count: int, tokens: Sequence[str]) -> None:
        while count > 0:
            some = [
                self._dial(tokens[(count + number) % len(tokens)]) for number in range(min(AT_ONCE, count))
            ]
            for client in some:
                self._welcome(client)
            count -= len(some)

    def _dial(self, token: str) -> Client:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        return Client(sock)

    def _welcome(self, client: Client) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = client.sock.recv(65_536)
            if not part:
                raise RuntimeError(f"refused: {answer!r}")
            answer += part
        head, _, client.head = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(f"refused: {answer!r}")
        client.sock.setblocking(False)
        self._clients[client.sock.fileno()] = client
        self._epoll.register(client.sock.fileno(), select.EPOLLIN)

    def say(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
        for client in self._clients.values():
            client.sock.sendall(b"\x81" + size + b"\0\0\0\0" + text)  # a mask of zeros changes nothing

    def close(self) -> None:
        for client in self._clients.values():
            client.sock.close()
        self._clients.clear()

    def read(self, until: float, *, snapshots: int | None = None) -> None:
        """Until then, or until so many snapshots have come."""
        while (left := until - time.monotonic()) > 0:
            for number, _ in self._epoll.poll(min(left, 0.2)):
                client = self._clients[number]
                try:
                    size = client.sock.recv_into(self._buffer)
                except (BlockingIOError, ConnectionError):
                    continue
                if not size:
                    self._gone(number)
                    continue
                self.bytes += size
                self._take(client, size)
            if snapshots is not None and self.snapshots >= snapshots:
                return

    def _gone(self, number: int) -> None:
        self._epoll.unregister(number)
        self._clients.pop(number).sock.close()
        self.closed += 1

    def _take(self, client: Client, size: int) -> None:
        at = 0
        if client.left:
            at = min(client.left, size)
            client.left -= at
            if client.left:
                return
            self._arrived(client)
        data = bytes(self._view[at:size])
        if client.head:
            data, client.head = client.head + data, b""
        while data:
            data = self._begin(client, data)

    def _begin(self, client: Client, data: bytes) -> bytes:
        """A message begins; answers what follows it."""
        head, length = _header(data)
        if head == 0 or (len(data) < head + 1400 and len(data) < head + length):
            client.head = data
            return b""
        start = data[head : head + 32]
        if start.startswith(PATCH):
            where = data.find(RECEIVED_AT, head, head + 1400) + len(RECEIVED_AT)
            client.stamp = self._time(data[where : where + STAMP])
        elif start.startswith(SNAPSHOT):
            self.snapshots += 1
        if len(data) < head + length:
            client.left = head + length - len(data)
            return b""
        self._arrived(client)
        return data[head + length :]

    def _arrived(self, client: Client) -> None:
        stamp, client.stamp = client.stamp, None
        if stamp is not None:
            self.messages += 1
            self.ages[int((time.time() - stamp) * 1000 / BUCKET_MS)] += 1

    def _time(self, text: bytes) -> float:
        found = self._stamps.get(text)
        if found is None:
            if len(self._stamps) > 1000:
                self._stamps.clear()
            found = self._stamps[text] = datetime.fromisoformat(text.decode()).timestamp()
        return found

    def measure(self, seconds: float) -> dict[str, Any]:
        self.messages = self.bytes = self.closed = 0
        self.ages.clear()
        began = time.monotonic()
        self.read(began + seconds)
        return {
            "messages": self.messages,
            "bytes": self.bytes,
            "closed": self.closed,
            "seconds": time.monotonic() - began,
            "ages": dict(self.ages),
        }


def _header(data: bytes) -> tuple[int, int]:
    """How long a server's frame's header is, and its payload; 0 where the header is not whole."""
    if len(data) < 2:
        return 0, 0
    short = data[1]
    if short < 126:
        return 2, short
    head = 4 if short == 126 else 10
    return (head, int.from_bytes(data[2:head], "big")) if len(data) >= head else (0, 0)


def obey(clients: Clients, orders: Iterable[str]) -> None:
    for line in orders:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        match order["do"]:
            case "connect":
                clients.connect(order["count"], order["tokens"])
            case "subscribe":
                clients.snapshots = 0
                clients.say({"type": "subscribe", "symbols": order["symbols"]})
                clients.read(time.monotonic() + 120, snapshots=order["snapshots"])
                answer["snapshots"] = clients.snapshots
            case "unsubscribe":
                clients.say({"type": "unsubscribe", "symbols": order["symbols"]})
                clients.read(time.monotonic() + 2)
            case "measure":
                answer = clients.measure(order["seconds"])
            case "close":
                clients.close()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    obey(Clients(int(sys.argv[1]), sys.argv[2]), sys.stdin)
