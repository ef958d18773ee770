"""The gateway is killed and started again under three hundred clients, who all come back at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hub_local.stack import Stack
from hub_stream_client import StreamClient
from tests.support.jobs import eventually, running
from tests.system.user import NewUser, User

PER_ACCOUNT = 50  # as many as an account may have
ACCOUNTS = 6
SETS = [["AAPL", "MSFT"], ["IBM"], ["AAPL", "IBM", "MSFT"]]
SOON_S = 60.0


class Watched(StreamClient):
    """Notes what it was told in its present connection, and all errors."""

    def __init__(self, stack: Stack, user: User, symbols: list[str]) -> None:
        url = f"ws{stack.gateway_url.removeprefix('http')}/api/v1/stream"
        token = user.http.headers["authorization"].removeprefix("Bearer ")
        super().__init__(url, token=lambda: token, min_wait_s=0.05, max_wait_s=1.0)
        self.symbols = symbols
        self.connections = 0
        self.snapshots: set[str] = set()
        self.patched: Counter[str] = Counter()
        self.errors: list[Any] = []
        self.on("state", self._on_state)
        self.on("error", self.errors.append)
        self.on("unknown", self.errors.append)
        self.subscribe(symbols)

    def _on_state(self, state: str) -> None:
        if state == "open":
            self.connections += 1
            self.snapshots.clear()
            self.patched.clear()

    def _take(self, message: Any) -> None:
        super()._take(message)
        if message["type"] == "quotes_snapshot":
            self.snapshots.add(message["symbol"])
        elif message["type"] == "quotes_patch":
            self.patched.update(each["symbol"] for each in message["patches"])

    @property
    def served(self) -> bool:
        """In this connection it had all that it follows, and it goes on."""
        return self.snapshots == set(self.symbols) == set(self.patched)


@pytest.mark.timeout(240)
async def test_all_who_come_back_at_once_after_a_killed_gateway_are_served_again(
    stack: Stack, new_user: NewUser
) -> None:
    """As many as their accounts may have open: nobody is in the way of those who come back."""
    users = [await new_user() for _ in range(ACCOUNTS)]
    clients = [
        Watched(stack, users[number % ACCOUNTS], SETS[number % len(SETS)])
        for number in range(ACCOUNTS * PER_ACCOUNT)
    ]
    async with running(*(client.run() for client in clients)):  # one that is sent away for good ends
        await eventually(lambda: all(client.served for client in clients), SOON_S)
        stack.children["gateway"].deaths = 0  # it dies on purpose: no back-off
        pid = stack.kill("gateway")
        await eventually(lambda: all(client.connections >= 2 for client in clients), SOON_S)
        await eventually(lambda: all(client.served for client in clients), SOON_S)
        assert stack.pid("gateway") not in {None, pid}
    assert [error for client in clients for error in client.errors] == []
    await stack.wait_ready()
