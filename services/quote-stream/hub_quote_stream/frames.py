"""The newest frame of every symbol, and the open streams of the gateways. Reads nothing from anywhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, NamedTuple

from hub.quote_stream.v1 import quote_stream_pb2
from hub_errors import Unavailable
from hub_runtime.metrics import counted, counter, gauge

AT_ONCE: Final = 500  # frames or updates in one message, far below what a message may be large


class Batch(NamedTuple):
    """What one message tells a gateway."""

    frames: Sequence[quote_stream_pb2.QuoteFrame]
    updates: Sequence[quote_stream_pb2.AccountUpdate]
    obeyed: int
    more: bool  # frames wait


class Stream:
    """What waits for one gateway: the newest frame of each changed symbol, and updates up to a bound.

    Updates must not be conflated and must not be lost silently. Beyond the bound the stream ends instead, and
    its gateway asks the owners of the data when it comes back. Without `accounts` it gets those of all.
    """

    def __init__(
        self,
        frames: dict[str, quote_stream_pb2.QuoteFrame],
        *,
        most_updates: int,
        accounts: set[str] | None = None,
    ) -> None:
        self._frames = dict(frames)
        self._accounts = accounts
        self.obeyed = 0
        self._updates: deque[quote_stream_pb2.AccountUpdate] = deque()
        self._most_updates = most_updates
        self._ending: Unavailable | None = None
        self._wake = asyncio.Event()
        self._wake.set()  # the first answer comes at once, even where there is nothing yet

    def add_frame(self, frame: quote_stream_pb2.QuoteFrame) -> None:
        self._frames[frame.symbol] = frame
        self._wake.set()

    def watch(self, accounts: Iterable[str], *, leave: Iterable[str] = ()) -> None:
        """What its gateway says, message by message; the next answer tells that it was obeyed."""
        if self._accounts is not None:
            self._accounts.update(accounts)
            self._accounts.difference_update(leave)
        self.obeyed += 1
        self._wake.set()

    def wants(self, account_id: str) -> bool:
        return self._accounts is None or account_id in self._accounts

    def add_update(self, update: quote_stream_pb2.AccountUpdate) -> None:
        if len(self._updates) >= self._most_updates:
            self.end(Unavailable("The stream fell behind.", code="stream_behind"))
            return
        self._updates.append(update)
        self._wake.set()

    def end(self, error: Unavailable) -> None:
        self._ending = self._ending or error
        self._updates.clear()
        self._wake.set()

    async def next(self) -> Batch:
        """Everything that changed since the last; raises when the stream has to end."""
        await self._wake.wait()
        if self._ending is not None:
            raise self._ending
        frames = [self._frames.pop(symbol) for symbol in list(islice(self._frames, AT_ONCE))]
        updates = [self._updates.popleft() for _ in range(min(len(self._updates), AT_ONCE))]
        if not self._frames and not self._updates:
            self._wake.clear()
        return Batch(frames, updates, self.obeyed, bool(self._frames))


class Frames:
    def __init__(self, *, most_updates: int) -> None:
        self._most_updates = most_updates
        self._newest: dict[str, quote_stream_pb2.QuoteFrame] = {}
        self._streams: set[Stream] = set()
        self._open = gauge("hub_quote_stream_streams", "Open streams to gateways.")
        self._encoded = counter("hub_quote_stream_frames_total", "Frames encoded.")
        self._updates = counter("hub_quote_stream_updates_total", "Account updates encoded.", ("kind",))

    def publish(self, frame: quote_stream_pb2.QuoteFrame) -> None:
        newest = self._newest.get(frame.symbol)
        if newest is not None and (frame.epoch, frame.seq) <= (newest.epoch, newest.seq):
            return
        self._newest[frame.symbol] = frame
        self._encoded.inc()
        for stream in self._streams:
            stream.add_frame(frame)

    def update(self, update: quote_stream_pb2.AccountUpdate) -> None:
        counted(self._updates, update.kind).inc()
        for stream in self._streams:
            if stream.wants(update.account_id):
                stream.add_update(update)

    def wanted(self, account_id: str) -> bool:
        """Whether anybody listens: otherwise an update need not even be made."""
        return any(stream.wants(account_id) for stream in self._streams)

    def end_streams(self, error: Unavailable) -> None:
        """Updates may have been missed, or the process stops: every gateway comes back and asks anew."""
        for stream in self._streams:
            stream.end(error)

    @contextmanager
    def stream(self, accounts: set[str] | None = None) -> Iterator[Stream]:
        stream = Stream(self._newest, most_updates=self._most_updates, accounts=accounts)
        self._streams.add(stream)
        self._open.set(len(self._streams))
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            self._open.set(len(self._streams))
