"""The feed job: one process at a time plays prices into its board, makes bars of them and saves
where it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from hub_errors import Unavailable
from hub_market_data.board import Board
from hub_market_data.domain.ticks import Quote, Tick, quoted
from hub_market_data.feed import Feed
from hub_market_data.pulse import Pulse
from hub_market_data.rolling import Roller
from hub_market_data.stall import Stall
from hub_market_data.store import Bars, Feeding, FeedState
from hub_postgres import HeldLock, holding_lock
from hub_runtime import Clock, counter, gauge, get_logger

LOCK: Final = "market-data feed"
SAVE_INTERVAL_S: Final = 1.0
# A feeder that was not heard of for so long is one no more: a standby takes over.
STALE_S: Final = 3.0
STALL_S: Final = 30.0

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
        feeding: Feeding,
        bars: Bars,
        clock: Clock,
        refresh: Callable[[], Awaitable[None]] | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self._kind = kind
        self._make_feed = make_feed
        self._board = board
        self._feeding = feeding
        self._bars = bars
        self._clock = clock
        self._refresh = refresh
        self._stall = Stall(board, stall_s)
        self._pulse = Pulse(board)
        self._seqs: dict[str, int] = {}
        self._playing = False

    def state(self) -> str:
        return "ok" if self._playing else "standby"

    async def run(self, url: str, password: str) -> None:
        await self._board.loaded.wait()
        async with holding_lock(url, password, LOCK, stale_s=STALE_S) as lock:
            state = await self._feeding.draw_epoch(self._kind)
            feed = await self._make_feed(state)
            roller = Roller(await self._bars.running())
            self._board.begin(state.epoch, feed.market_time() or state.market_time)
            if self._refresh is not None:  # the sessions of its time, which need not be ours
                await self._refresh()
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
                group.create_task(self._play(feed, roller, state.epoch, lock), name="feed play")
                group.create_task(self._stall.watch(), name="feed stall")
                group.create_task(self._save(feed, roller, state.epoch), name="feed save")
                await lock.lost.wait()
                raise FeederReplacedError("the feeder's lock is lost")

    async def _play(self, feed: Feed, roller: Roller, epoch: int, lock: HeldLock) -> None:
        ticks_total = counter("hub_market_ticks_total", "Ticks taken from the feed")
        async for ticks in feed.ticks():
            if not lock.holds:  # paused, and another may feed by now
                raise FeederReplacedError("the feeder's lock is not certain any more")
            received_at = self._clock()
            self._pulse.beat(feed.unheard_s(), received_at, stalled=self._stall.stalled)
            taken = [tick for tick in ticks if self._board.takes(tick.symbol, tick.market_time)]
            quotes = []
            for tick in map(self._in_new_shares, taken):
                seq = self._seqs[tick.symbol] = self._seqs.get(tick.symbol, 0) + 1
                quotes.append(quoted(tick, epoch=epoch, seq=seq, received_at=received_at))
            self._board.publish(quotes, feed.market_time())
            self._roll(quotes, roller)
            self._playing = True
            if taken:
                self._stall.ticked()
                ticks_total.inc(len(taken))
        raise FeederReplacedError("the feed has come to its end")

    def _in_new_shares(self, tick: Tick) -> Tick:
        board = self._board
        instrument = board.instruments[tick.symbol]
        calendar = board.calendars.get(instrument.calendar)
        zone = "UTC" if calendar is None else calendar.timezone
        return board.splits.restated(tick, self._kind, tick_size=instrument.tick_size, timezone=zone)

    def _roll(self, quotes: Sequence[Quote], roller: Roller) -> None:
        """What is shown before a market has opened for the first time is of no trading day."""
        for quote in quotes:
            calendar = self._board.instruments[quote.symbol].calendar
            session = self._board.session(calendar, quote.market_time)
            if session is not None:
                roller.take(quote, session.day)

    async def _save(self, feed: Feed, roller: Roller, epoch: int) -> None:
        while True:
            await asyncio.sleep(SAVE_INTERVAL_S)
            quotes = [quote for quote in self._board.quotes.values() if quote.epoch == epoch]
            market_time, bars = self._board.market_time, roller.unsaved()
            if not self._playing or market_time is None:
                continue
            try:
                saved = await self._feeding.save(
                    epoch=epoch, market_time=market_time, place=feed.place(), quotes=quotes, bars=bars
                )
            except Unavailable as error:
                log.warning("feed_not_saved", reason=error.code)
                continue
            if saved is None:
                raise FeederReplacedError("another feeder has drawn a higher epoch")
            roller.saved(bars)
            if saved > market_time:
                log.info("market_time_moved", market_time=saved.isoformat())
                feed.move_to(saved)
