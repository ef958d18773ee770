"""Many callers, few calls: what queues while a batch is under way is the next batch."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

from hub_errors import Exhausted, Timeout, Unavailable

T = TypeVar("T")
R = TypeVar("R")


class _Entry(NamedTuple, Generic[T, R]):
    item: T
    answer: asyncio.Future[R]

    def settle(self, result: R | Exception) -> None:
        if self.answer.done():  # its caller went away
            return
        if isinstance(result, Exception):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)

    def expire(self) -> None:
        self.settle(Timeout("No answer in time.", code="deadline_exceeded"))


class Batcher(Generic[T, R]):
    """`run` gets up to `limit` items and answers a result or an exception for each, in their order.

    A batch leaves at once when nothing is in flight, and beside others when half a batch waits. When `run`
    raises, the batch is tried in halves, down to the single item at fault; errors that speak of a dependency
    and not of an item (Unavailable, Timeout, Exhausted) go to all, because halves would fare no better.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        limit: int = 32,
        in_flight: int = 4,
        queue_limit: int = 10_000,
        name: str = "batch",
    ) -> None:
        self._run = run
        self._limit = limit
        self._in_flight = in_flight
        self._queue_limit = queue_limit
        self._name = name
        self._queue: deque[_Entry[T, R]] = deque()
        self._running = 0
        self._group: asyncio.TaskGroup | None = None
        self._context = contextvars.Context()

    async def __aenter__(self) -> Batcher[T, R]:
        # Batches must not inherit the trace or the token of whichever caller happened to start them.
        self._context = contextvars.copy_context()
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Takes no more, finishes what it has."""
        group, self._group = self._group, None
        if group is not None:
            try:
                await group.__aexit__(None, None, None)
            finally:
                self._abandon(self._queue)

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def running(self) -> int:
        return self._running

    async def submit(self, item: T, deadline_s: float = 5.0) -> R:
        """The item's own result, or its own error. Whoever gives up leaves the others alone."""
        if self._group is None:
            raise Unavailable("The service is stopping.", code="stopping")
        if len(self._queue) >= self._queue_limit:
            raise Exhausted("Too many requests are waiting.", code="queue_full")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        entry = _Entry(item, answer)
        self._queue.append(entry)
        self._start(self._group)
        # The answer itself is what ends in time: a timer costs a fraction of cancelling the one who waits.
        timer = loop.call_later(deadline_s, entry.expire)
        try:
            return await answer
        finally:
            timer.cancel()

    def _start(self, group: asyncio.TaskGroup) -> None:
        if self._running and (self._running >= self._in_flight or len(self._queue) < self._limit // 2):
            return
        self._running += 1
        group.create_task(self._batches(), name=f"{self._name} batch", context=self._context.copy())

    async def _batches(self) -> None:
        """One slot: takes batches until what waits is left to a slot that is busy."""
        try:
            while entries := self._take():
                await self._deliver(entries)
                if self._running > 1 and len(self._queue) < self._limit // 2:
                    break
        finally:
            self._running -= 1

    def _take(self) -> list[_Entry[T, R]]:
        entries: list[_Entry[T, R]] = []
        while self._queue and len(entries) < self._limit:
            entry = self._queue.popleft()
            if not entry.answer.done():
                entries.append(entry)
        return entries

    async def _deliver(self, entries: Sequence[_Entry[T, R]]) -> None:
        try:
            results = await self._run([entry.item for entry in entries])
            if len(results) != len(entries):
                raise RuntimeError(f"{self._name}: {len(results)} results for {len(entries)} items")
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers
            await self._deliver_less(entries, error)
        except asyncio.CancelledError:
            self._abandon(entries)
            raise
        else:
            for entry, result in zip(entries, results, strict=True):
                entry.settle(result)

    async def _deliver_less(self, entries: Sequence[_Entry[T, R]], error: Exception) -> None:
        if len(entries) == 1 or isinstance(error, Unavailable | Timeout | Exhausted):
            for entry in entries:
                entry.settle(error)
            return
        middle = len(entries) // 2
        try:
            await self._deliver(entries[:middle])
            await self._deliver(entries[middle:])
        finally:
            self._abandon(entries)

    def _abandon(self, entries: Sequence[_Entry[T, R]] | deque[_Entry[T, R]]) -> None:
        for entry in entries:
            entry.settle(Unavailable("The service is stopping.", code="stopping"))
