"""Which accounts this gateway wants updates of, and since when it really gets them.

quote-stream sends the updates of the accounts it was told of. What happened to an account before that was
obeyed is not sent, so its owners are asked when the word comes back, and not before: then nothing is missed
in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from itertools import islice
from typing import Final

from hub.quote_stream.v1 import quote_stream_pb2

AT_ONCE: Final = 500  # accounts in one message
PAUSE_S: Final = 5.0  # between two messages at most


class Interest:
    """The accounts that somebody reads, and the lines to quote-stream that have to be told."""

    def __init__(self) -> None:
        self._accounts: set[str] = set()
        self._lines: set[Line] = set()

    def add(self, account_id: str) -> bool:
        """Whether its updates come already, or cannot come yet; otherwise `obeyed` will name it."""
        self._accounts.add(account_id)
        for line in self._lines:
            line.tell(account_id, wanted=True)
        return self._obeyed(account_id) or not any(line.up for line in self._lines)

    def remove(self, account_id: str) -> None:
        self._accounts.discard(account_id)
        for line in self._lines:
            line.tell(account_id, wanted=False)

    def open(self) -> Line:
        line = Line(self._accounts)
        self._lines.add(line)
        return line

    def close(self, line: Line) -> None:
        self._lines.discard(line)
        line.close()

    def obeyed(self, line: Line, messages: int) -> list[str]:
        """So many messages of this line, in all, are obeyed. Answers the accounts whose updates come since,
        and came by no other line."""
        others = self._lines - {line}
        new = line.take(messages)
        return [account_id for account_id in new if not any(other.obeys(account_id) for other in others)]

    def _obeyed(self, account_id: str) -> bool:
        return any(line.obeys(account_id) for line in self._lines)


class Line:
    """What one stream to quote-stream was told, and how much of it was obeyed."""

    def __init__(self, accounts: Iterable[str]) -> None:
        self._changes: dict[str, bool] = dict.fromkeys(accounts, True)
        self._watched: dict[str, int] = {}  # the message that asked for the account
        self._asked: deque[list[str]] = deque()  # by the messages that are not yet obeyed
        self._taken = 0
        self._closed = False
        self._wake = asyncio.Event()
        self._wake.set()  # the first message goes at once, also where it asks for nothing
        self.everything = False  # it is of the release before, which is not told and sends all

    def close(self) -> None:
        """Its stream has ended: gRPC would wait for the next request, and never be told."""
        self._closed = True
        self._wake.set()

    @property
    def up(self) -> bool:
        return self.everything or self._taken > 0

    def tell(self, account_id: str, *, wanted: bool) -> None:
        if wanted == (account_id in self._watched):
            self._changes.pop(account_id, None)
        else:
            self._changes[account_id] = wanted
            self._wake.set()

    def obeys(self, account_id: str) -> bool:
        asked_by = self._watched.get(account_id)
        return self.everything or (asked_by is not None and asked_by <= self._taken)

    async def requests(self) -> AsyncIterator[quote_stream_pb2.FollowFramesRequest]:
        """Now and then one that asks for nothing: it is obeyed too, and so tells whether anybody is there."""
        number = 0
        while True:
            if not self._wake.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await self._wake.wait()
            if self._closed:
                return
            number += 1
            part = {name: self._changes.pop(name) for name in list(islice(self._changes, AT_ONCE))}
            if not self._changes:
                self._wake.clear()
            watch = [name for name, wanted in part.items() if wanted]
            leave = [name for name, wanted in part.items() if not wanted]
            self._watched |= dict.fromkeys(watch, number)
            for name in leave:
                del self._watched[name]
            self._asked.append(watch)
            yield quote_stream_pb2.FollowFramesRequest(watch_accounts=watch, leave_accounts=leave)

    def take(self, messages: int) -> list[str]:
        """The accounts that the messages up to this one asked for, and none after it let go."""
        found = []
        while self._taken < messages and self._asked:
            self._taken += 1
            asked = self._asked.popleft()
            found += [name for name in asked if self._watched.get(name) == self._taken]
        return found
