"""What every service has to trust: the process's live copy of keys and deny set, and who follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from hub_auth.domain import Denial, VerificationKey

# A reader that has missed more than this gets a snapshot instead.
UNREAD_LIMIT: Final = 1000


@dataclass(frozen=True, kw_only=True)
class News:
    """With `snapshot` it replaces what was said before, otherwise it is added."""

    snapshot: bool
    keys: Sequence[VerificationKey]
    denied: Sequence[Denial]


class Reader:
    """One stream. The first news is a snapshot."""

    def __init__(self, snapshot: Callable[[], News]) -> None:
        self._snapshot = snapshot
        self._unread: dict[UUID, Denial] = {}
        self._snapshot_due = True
        self._news = asyncio.Event()
        self._news.set()

    def offer(self, denial: Denial) -> None:
        if not self._snapshot_due:
            self._unread[denial.subject_id] = denial
            if len(self._unread) > UNREAD_LIMIT:
                self.start_over()
        self._news.set()

    def start_over(self) -> None:
        self._snapshot_due = True
        self._unread = {}
        self._news.set()

    async def next(self, *, timeout_s: float) -> News:
        """Empty when nothing has happened for so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        if self._snapshot_due:
            self._snapshot_due = False
            return self._snapshot()
        unread, self._unread = self._unread, {}
        return News(snapshot=False, keys=(), denied=tuple(unread.values()))


class Publication:
    def __init__(self) -> None:
        self._keys: tuple[VerificationKey, ...] = ()
        self._denied: dict[UUID, Denial] = {}
        self._readers: set[Reader] = set()
        self.loaded = asyncio.Event()

    def state(self) -> str:
        return "ok" if self.loaded.is_set() else "not loaded yet"

    @property
    def readers(self) -> int:
        return len(self._readers)

    def take(self, keys: Sequence[VerificationKey], denied: Sequence[Denial], *, now: datetime) -> None:
        """All keys, and denials that may be known already."""
        self._denied = {each: denial for each, denial in self._denied.items() if denial.until > now}
        for denial in denied:
            if self._denied.get(denial.subject_id) != denial:
                self._denied[denial.subject_id] = denial
                for reader in self._readers:
                    reader.offer(denial)
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            for reader in self._readers:
                reader.start_over()
        self.loaded.set()

    @contextmanager
    def read(self) -> Iterator[Reader]:
        reader = Reader(self._snapshot)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def _snapshot(self) -> News:
        return News(snapshot=True, keys=self._keys, denied=tuple(self._denied.values()))
