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
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import repeat
from random import Random
from typing import Any, Final

BUFFER: Final = 512 * 1024
AT_ONCE: Final = 200  # handshakes under way
PATIENCE_S: Final = 120.0
PATCH: Final = b'{"type":"quotes_patch"'
SNAPSHOT: Final = b'{"type":"quotes_snapshot"'
RECEIVED_AT: Final = b'/received_at","value":"'
STAMP: Final = len("2026-01-01T00:00:00.000000Z")
BUCKET_MS: Final = 0.5


class Client:
    """One socket: where it is in the message that is coming in."""

    __slots__ = ("head", "left", "snapshots", "sock", "stamp")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.head = b""  # of a frame whose header, or whose beginning, has not come whole
        self.left = 0  # of a message whose beginning has come
        self.stamp: float | None = None
        self.snapshots = 0  # since all were subscribed last


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
        self.served = 0  # clients that have a snapshot of each symbol
        self.closed = 0
        self._wanted = 0
        self.ages: Counter[int] = Counter()

    def connect(self, count: int, tokens: Sequence[str]) -> None:
        while count > 0:
            some = [
                self._dial(tokens[(count + number) % len(tokens)]) for number in range(min(AT_ONCE, count))
            ]
            for client in some:
                self._welcome(client)
            count -= len(some)

    def come_back(self, tokens: Sequence[str], symbols: Sequence[str]) -> float:
        """All at once to a server that was killed, and subscribed again; answers after how many seconds the
        first was connected. Who is served already is read while others are still let in."""
        began, count = time.monotonic(), len(self._clients)
        self.close()
        self._count_from_here(len(symbols))
        waiting = [self._dial_until(began + PATIENCE_S, tokens[0])]
        listening_s = time.monotonic() - began
        waiting += [self._dial(tokens[number % len(tokens)]) for number in range(1, count)]
        text = _said({"type": "subscribe", "symbols": symbols})
        for begin in range(0, count, AT_ONCE):
            for client in waiting[begin : begin + AT_ONCE]:
                self._welcome(client)
                client.sock.sendall(text)
            self.read(time.monotonic() + 0.001)
        self.read(began + PATIENCE_S, enough=self.all_served)
        return listening_s

    def _dial_until(self, until: float, token: str) -> Client:
        while True:
            try:
                return self._dial(token)
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)

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
        text = _said(message)
        for client in self._clients.values():
            client.sock.sendall(text)

    def subscribe(self, sets: Iterable[Sequence[str]], each: int) -> None:
        """Every client to a set of its own, of so many symbols."""
        self._count_from_here(each)
        for client, symbols in zip(self._clients.values(), sets, strict=False):
            client.sock.sendall(_said({"type": "subscribe", "symbols": symbols}))
        self.read(time.monotonic() + PATIENCE_S, enough=self.all_served)

    def _count_from_here(self, wanted: int) -> None:
        self.snapshots = self.served = 0
        self._wanted = wanted
        for client in self._clients.values():
            client.snapshots = 0

    def all_served(self) -> bool:
        return self.served == len(self._clients)

    def close(self) -> None:
        for client in self._clients.values():
            client.sock.close()
        self._clients.clear()

    def read(self, until: float, *, enough: Callable[[], bool] | None = None) -> None:
        """Until then, or until it is enough."""
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
            if enough is not None and enough():
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
            client.snapshots += 1
            self.served += client.snapshots == self._wanted
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


def _said(message: dict[str, Any]) -> bytes:
    """As a client's frame."""
    text = json.dumps(message).encode()
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + size + b"\0\0\0\0" + text  # a mask of zeros changes nothing


def _sets(order: dict[str, Any]) -> Iterable[Sequence[str]]:
    """The same symbols for all, or so many drawn of them by each."""
    symbols, drawn = order["symbols"], order.get("draw", 0)
    if not drawn:
        return repeat(symbols)
    chance = Random(order["part"])
    return (chance.sample(symbols, drawn) for _ in repeat(None))


def obey(clients: Clients, orders: Iterable[str]) -> None:
    for line in orders:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        match order["do"]:
            case "connect":
                clients.connect(order["count"], order["tokens"])
            case "subscribe":
                clients.subscribe(_sets(order), order.get("draw") or len(order["symbols"]))
                answer["served"] = clients.served
            case "come back":
                answer["listening_s"] = clients.come_back(order["tokens"], order["symbols"])
                answer["served"] = clients.served
            case "unsubscribe":
                clients.say({"type": "unsubscribe", "symbols": order["symbols"]})
                clients.read(time.monotonic() + 2)
            case "measure":
                answer = clients.measure(order["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    obey(Clients(int(sys.argv[1]), sys.argv[2]), sys.stdin)
