"""The feed job: one process at a time plays prices into its board and saves where it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from hub_errors import Unavailable
from hub_market_data.board import Board
from hub_market_data.domain import quoted
from hub_market_data.feed import Feed
from hub_market_data.store import FeedState, Store
from hub_postgres import holding_lock
from hub_runtime import Clock, counter, gauge, get_logger

LOCK: Final = "market-data feed"
SAVE_INTERVAL_S: Final = 1.0

log = get_logger("feed")


class FeederReplacedError(Exception):
    """Another process may feed now: this one has to end."""


class Feeder:
    """`run` for as long as the process lives; ends only by failing."""

    def __init__(
        self,
        *,
        kind: str,
        make_feed: Callable[[FeedState], Awaitable[Feed]],
        board: Board,
        store: Store,
        clock: Clock,
    ) -> None:
        self._kind = kind
        self._make_feed = make_feed
        self._board = board
        self._store = store
        self._clock = clock
        self._seqs: dict[str, int] = {}
        self._feeding = False

    def state(self) -> str:
        return "ok" if self._feeding else "standby"

    async def run(self, url: str, password: str) -> None:
        await self._board.loaded.wait()
        async with holding_lock(url, password, LOCK) as lock:
            state = await self._store.draw_epoch(self._kind)
            feed = await self._make_feed(state)
            self._board.begin(state.epoch, state.market_time)
            text = f"feed {self._kind} started, epoch {state.epoch}"
            log.info(
                "feed_started",
                kind=self._kind,
                epoch=state.epoch,
                place=state.place,
                highlight=True,
                text=text,
            )
            gauge("hub_market_feed_epoch", "The epoch this process feeds in").set(state.epoch)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._play(feed, state.epoch), name="feed play")
                group.create_task(self._save(feed, state.epoch), name="feed save")
                await lock.lost.wait()
                raise FeederReplacedError("the feeder's lock is lost")

    async def _play(self, feed: Feed, epoch: int) -> None:
        ticks_total = counter("hub_market_ticks_total", "Ticks taken from the feed")
        async for ticks in feed.ticks():
            received_at = self._clock()
            quotes = []
            for tick in ticks:
                seq = self._seqs[tick.symbol] = self._seqs.get(tick.symbol, 0) + 1
                quotes.append(quoted(tick, epoch=epoch, seq=seq, received_at=received_at))
            self._board.publish(quotes, ticks[0].market_time if ticks else None)
            self._feeding = True
            ticks_total.inc(len(ticks))
        raise FeederReplacedError("the feed has come to its end")

    async def _save(self, feed: Feed, epoch: int) -> None:
        while True:
            await asyncio.sleep(SAVE_INTERVAL_S)
            quotes = [quote for quote in self._board.quotes.values() if quote.epoch == epoch]
            if not quotes or self._board.market_time is None:
                continue
            try:
                mine = await self._store.save(
                    epoch=epoch, market_time=self._board.market_time, place=feed.place(), quotes=quotes
                )
            except Unavailable as error:
                log.warning("feed_not_saved", reason=error.code)
                continue
            if not mine:
                raise FeederReplacedError("another feeder has drawn a higher epoch")
