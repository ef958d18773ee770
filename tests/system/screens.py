"""Clients of the live stream that note all they are told, for tests that look at what clients see."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection

from hub_local.stack import Stack
from tests.quote_stream.quotes import Follower
from tests.support.jobs import running
from tests.system.test_stream import dial, subscribe
from tests.system.user import User

Place = tuple[str, int, int]


class Screen:
    """One socket. What it takes is checked: a patch that does not fit its base fails the test."""

    def __init__(self, client: ClientConnection, symbols: Sequence[str]) -> None:
        self._client = client
        self.symbols = symbols
        self.follower = Follower()
        self.kinds: Counter[str] = Counter()
        self.account: list[dict[str, Any]] = []
        self.states: dict[Place, dict[str, Any]] = {}

    async def ask_again(self) -> None:
        """For a snapshot of everything."""
        await subscribe(self._client, symbols=self.symbols)

    async def listen(self) -> None:
        """Until the server closes, which ends it, and no test that runs it likes that."""
        async for text in self._client:
            message = json.loads(text)
            self.kinds[message["type"]] += 1
            self.follower.take(message)
            if "order" in message["type"]:
                self.account.append(message)
            for symbol, place in self.follower.place.items():
                self.states.setdefault((symbol, *place), dict(self.follower.document["quotes"][symbol]))

    @property
    def complete(self) -> bool:
        return set(self.follower.place) == set(self.symbols)

    def moved(self, since: dict[str, tuple[int, int]]) -> bool:
        """Every symbol is newer than it was."""
        return all(self.follower.place[symbol] > since[symbol] for symbol in self.symbols)

    def agrees(self, other: Screen) -> bool:
        """Of each symbol both have seen one place at least, and the same state wherever they have."""
        common = self.states.keys() & other.states.keys()
        for place in common:
            assert self.states[place] == other.states[place], place
        return {symbol for symbol, *_ in common} == set(self.symbols)

    def snapshots(self) -> list[dict[str, Any]]:
        """Of the account: the owners' answers."""
        return [message for message in self.account if message["type"] == "orders_snapshot"]


@asynccontextmanager
async def screens(
    stack: Stack, users: Sequence[User], symbols: Sequence[Sequence[str]], *, orders: bool = False
) -> AsyncIterator[list[Screen]]:
    """One for each list of symbols, of the users in turn. None of them may be closed before the end."""
    async with AsyncExitStack() as open_ones:
        made: list[Screen] = []
        for number, names in enumerate(symbols):
            client = await open_ones.enter_async_context(dial(stack, users[number % len(users)]))
            await subscribe(client, symbols=names, orders=orders)
            made.append(Screen(client, names))
        await open_ones.enter_async_context(running(*(each.listen() for each in made)))
        yield made
