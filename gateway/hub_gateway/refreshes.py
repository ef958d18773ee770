"""Asks the owners of orders and balances on behalf of sockets that may have missed something; not for all at
once, although all may want it at once."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from hub_errors import HubError
from hub_gateway.account import Account
from hub_gateway.gate import Caller
from hub_runtime.backoff import Backoff

AT_ONCE: Final = 16


class Asker(Protocol):
    """A socket that wants to know what its account has."""

    @property
    def asking(self) -> Caller | None:
        """As whom; nobody where it does not want it any more."""

    @property
    def backoff(self) -> Backoff: ...

    def on_account(self, document: bytes) -> None: ...

    def on_account_error(self, error: HubError) -> None: ...


class Refreshes:
    """`run` is its forever-job."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._waiting: dict[Asker, None] = {}
        self._under_way: set[Asker] = set()
        self._wake = asyncio.Event()

    def ask(self, asker: Asker) -> None:
        """Also while an answer is under way: that one is thrown away, since it may be too old."""
        self._waiting[asker] = None
        self._wake.set()

    def forget(self, asker: Asker) -> None:
        self._waiting.pop(asker, None)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work(), name="socket refresh")

    async def _work(self) -> None:
        while True:
            asker = next((each for each in self._waiting if each not in self._under_way), None)
            if asker is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            del self._waiting[asker]
            self._under_way.add(asker)
            try:
                await self._refresh(asker)
            finally:
                self._under_way.discard(asker)
                if asker in self._waiting:
                    self._wake.set()

    async def _refresh(self, asker: Asker) -> None:
        caller = asker.asking
        if caller is None:
            return
        try:
            document = await self._account.snapshot(caller)
        except HubError as error:
            asker.on_account_error(error)
            asyncio.get_running_loop().call_later(asker.backoff.next_s(), self.ask, asker)
            return
        asker.backoff.reset()
        if asker not in self._waiting:
            asker.on_account(document)
