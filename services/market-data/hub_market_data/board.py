"""The process's live copy of the market, and the streams that follow it. No input or output.

A stream that reads slowly holds at most one quote of each symbol: a newer one takes the place of the older
and keeps its best prices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from hub_market_data.domain.calendars import Calendar, Hours, Session, extended
from hub_market_data.domain.instruments import Instrument
from hub_market_data.domain.splits import Splits
from hub_market_data.domain.ticks import FeedLife, Quote, alone, conflated


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All there is to know."""

    instruments: Sequence[Instrument]
    calendars: Sequence[Calendar]
    sessions: Sequence[Session]
    settlement_days: Mapping[str, Sequence[date]]
    quotes: Sequence[Quote]
    epoch: int
    market_time: datetime | None
    life: FeedLife | None = None


@dataclass(frozen=True, kw_only=True)
class Update:
    """What is new; nothing, when it is only a sign of life."""

    quotes: Sequence[Quote]
    market_time: datetime | None
    life: FeedLife | None = None


class Subscription:
    """One stream's view. The first message is a snapshot."""

    def __init__(self, board: Board, symbols: frozenset[str]) -> None:
        self._board = board
        self._symbols = symbols
        self._unread: dict[str, Quote] = {}
        self._snapshot_due = True
        self._news = asyncio.Event()
        self._news.set()

    def offer(self, quote: Quote) -> None:
        if not self._symbols or quote.symbol in self._symbols:
            self._unread[quote.symbol] = conflated(self._unread.get(quote.symbol), quote)
            self._news.set()

    def start_over(self) -> None:
        self._snapshot_due = True
        self._news.set()

    async def next(self, *, timeout_s: float) -> Snapshot | Update:
        """The next message, an empty one when nothing has happened for so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        unread, self._unread = self._unread, {}
        if not self._snapshot_due:
            board = self._board
            return Update(quotes=tuple(unread.values()), market_time=board.market_time, life=board.life)
        self._snapshot_due = False
        return self._board.snapshot(self._symbols, unread)


class Board:
    """`outdated` is set when a session that it knows has ended: time to read the catalogue again.

    `extended_hours`: when prices count on a trading day beside its sessions.
    """

    def __init__(self, *, outdated: asyncio.Event | None = None, extended_hours: Hours | None = None) -> None:
        self.outdated = outdated or asyncio.Event()
        self.extended_hours = extended_hours
        self.splits = Splits()
        self._extended: Sequence[Session] = ()
        # When the first of the known sessions ends that had not ended when they were read.
        self._current_until: datetime | None = None
        self.instruments: Mapping[str, Instrument] = {}
        self.calendars: Mapping[str, Calendar] = {}
        self.sessions: Sequence[Session] = ()
        self.settlement_days: Mapping[str, Sequence[date]] = {}
        self.quotes: dict[str, Quote] = {}
        self.epoch = 0
        self.market_time: datetime | None = None
        # Of the active feeder's feed; None where nobody knows.
        self.life: FeedLife | None = None
        self.loaded = asyncio.Event()
        # Whoever reads the catalogue holds it, so that nobody puts an older one in the place of a newer.
        self.reading = asyncio.Lock()
        self._subscriptions: set[Subscription] = set()

    @property
    def streams(self) -> int:
        return len(self._subscriptions)

    def state(self) -> str:
        return "ok" if self.loaded.is_set() else "not loaded yet"

    def catalogue(
        self,
        instruments: Iterable[Instrument],
        sessions: Sequence[Session],
        *,
        calendars: Iterable[Calendar] = (),
        settlement_days: Mapping[str, Sequence[date]] | None = None,
        splits: Splits | None = None,
    ) -> None:
        """What is traded, when, and when trades settle."""
        before = self._told
        by_symbol = {instrument.symbol: instrument for instrument in instruments}
        self.instruments = dict(sorted(by_symbol.items()))
        self.calendars = {each.calendar: each for each in calendars}
        self.sessions = tuple(sessions)
        self.settlement_days = settlement_days or {}
        self._extended = extended(self.sessions, self.calendars.values(), self.extended_hours)
        self.splits = splits or Splits()
        ends = [*(each.closes_at for each in self.sessions), *self.splits.coming()]
        self._current_until = min((end for end in ends if not self._is_over(end)), default=None)
        if self._told != before:
            self._start_over()

    @property
    def _told(self) -> tuple[object, ...]:
        return self.instruments, self.calendars, self.sessions, self.settlement_days

    def session(self, calendar: str, at: datetime) -> Session | None:
        """The one that is running then, as far as the running and the next ones are known."""
        own = (each for each in self.sessions if each.calendar == calendar)
        return next((each for each in own if each.opens_at <= at < each.closes_at), None)

    def next_session(self, calendar: str, at: datetime) -> Session | None:
        """The first one that begins after that."""
        own = (each for each in self.sessions if each.calendar == calendar)
        return next((each for each in own if each.opens_at > at), None)

    def takes(self, symbol: str, at: datetime) -> bool:
        """Whether a price of that moment counts: its market is open, if only in extended hours, or there is
        none to show yet."""
        instrument = self.instruments.get(symbol)
        if instrument is None or self.splits.holds_back(symbol, at):
            return False
        if symbol not in self.quotes or self.session(instrument.calendar, at) is not None:
            return True
        around = (each for each in self._extended if each.calendar == instrument.calendar)
        return any(each.opens_at <= at < each.closes_at for each in around)

    def begin(self, epoch: int, market_time: datetime | None) -> None:
        """Another feeder has taken over."""
        self._tell(market_time)
        if epoch > self.epoch:
            self.epoch = epoch
            self.life = None
            self._start_over()

    def publish(self, quotes: Iterable[Quote], market_time: datetime | None) -> None:
        """Takes what is newer than what is known."""
        self._tell(market_time)
        for quote in quotes:
            known = self.quotes.get(quote.symbol)
            if quote.symbol not in self.instruments or (known and known.position >= quote.position):
                continue
            self.quotes[quote.symbol] = quote
            if known and self.splits.halts(quote.symbol, quote.market_time, known.market_time):
                # The first one of new shares.
                self.outdated.set()
            for subscription in self._subscriptions:
                subscription.offer(quote)

    def snapshot(self, symbols: frozenset[str], unread: Mapping[str, Quote]) -> Snapshot:
        """For a stream that has not read `unread` yet."""
        return Snapshot(
            instruments=tuple(self.instruments.values()),
            calendars=tuple(self.calendars.values()),
            sessions=self.sessions,
            settlement_days=self.settlement_days,
            quotes=tuple(
                unread.get(symbol) or alone(quote)
                for symbol, quote in self.quotes.items()
                if not symbols or symbol in symbols
            ),
            epoch=self.epoch,
            market_time=self.market_time,
            life=self.life,
        )

    @contextmanager
    def subscribed(self, symbols: Iterable[str] = ()) -> Iterator[Subscription]:
        """Follows some symbols, or all."""
        subscription = Subscription(self, frozenset(symbols))
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def _tell(self, market_time: datetime | None) -> None:
        if market_time is not None and (self.market_time is None or market_time > self.market_time):
            self.market_time = market_time
            if self._current_until is not None and self._is_over(self._current_until):
                self.outdated.set()

    def _is_over(self, end: datetime) -> bool:
        return self.market_time is not None and end <= self.market_time

    def _start_over(self) -> None:
        for subscription in self._subscriptions:
            subscription.start_over()
