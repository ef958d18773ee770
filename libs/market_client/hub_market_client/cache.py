"""The quote cache: what market-data knows, followed live, read without a call. It never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Final

from grpc import aio

from hub.market_data.v1 import market_data_pb2, market_data_pb2_grpc
from hub_market_client.model import (
    Calendar,
    FeedLife,
    Instrument,
    Quote,
    Session,
    read_calendar,
    read_feed_life,
    read_instrument,
    read_quote,
    read_session,
    read_settlement_days,
)
from hub_market_client.readers import Reader
from hub_rpc import reading
from hub_runtime import Backoff, Clock, get_logger, utc_now

# A stream says at least every four seconds that it lives: one that is silent longer leads to a process that
# stands still, and another one may feed by now.
SILENCE_S: Final = 10.0

log = get_logger("quotes")


class QuoteCache:
    """`follow` is its forever-job. `loaded` is set when a first snapshot has come."""

    def __init__(self, clock: Clock = utc_now, *, silence_s: float = SILENCE_S) -> None:
        self._clock = clock
        self._silence_s = silence_s
        self._instruments: dict[str, Instrument] = {}
        self._calendars: dict[str, Calendar] = {}
        self._sessions: dict[str, list[Session]] = {}
        self._settlement_days: dict[str, tuple[date, ...]] = {}
        self._quotes: dict[str, Quote] = {}
        self._epoch = 0
        self._market_time: datetime | None = None
        self._life: FeedLife | None = None
        self._connected = False
        self._readers: set[Reader] = set()
        self.loaded = asyncio.Event()

    def state(self) -> str:
        """For readiness. Once loaded it answers; how old a quote is, `fresh` tells."""
        return "ok" if self.loaded.is_set() else "no quotes from market-data yet"

    @property
    def connected(self) -> bool:
        """Whether quotes are coming in now."""
        return self._connected

    def instrument(self, symbol: str) -> Instrument | None:
        return self._instruments.get(symbol)

    def quote(self, symbol: str) -> Quote | None:
        return self._quotes.get(symbol)

    def symbols(self) -> list[str]:
        return sorted(self._instruments)

    def instruments(self) -> list[Instrument]:
        return [self._instruments[symbol] for symbol in self.symbols()]

    def market_time(self) -> datetime:
        """The market's own clock as last heard; wall time before anything was."""
        return self._market_time or self._clock()

    def told_time(self) -> datetime | None:
        """The same, and None before anything was."""
        return self._market_time

    def calendar(self, symbol: str) -> Calendar | None:
        """By which the instrument trades; None where market-data did not tell of it."""
        instrument = self._instruments.get(symbol)
        return None if instrument is None else self._calendars.get(instrument.calendar)

    def sessions(self, symbol: str) -> Sequence[Session]:
        """All that are known, those of the day that is ending too. The same object until there are others."""
        instrument = self._instruments.get(symbol)
        return () if instrument is None else self._sessions.get(instrument.calendar, ())

    def session_open(self, symbol: str) -> bool:
        """Whether the instrument's calendar has a session now, in market time."""
        return self.session(symbol) is not None

    def session(self, symbol: str) -> Session | None:
        """The session that is running."""
        instrument, now = self._instruments.get(symbol), self._market_time
        if instrument is None or now is None:
            return None
        sessions = self._sessions.get(instrument.calendar, ())
        return next((each for each in sessions if each.opens_at <= now < each.closes_at), None)

    def next_session(self, symbol: str) -> Session | None:
        """The next one to begin; None where market-data told of none."""
        instrument, now = self._instruments.get(symbol), self._market_time
        if instrument is None or now is None:
            return None
        sessions = self._sessions.get(instrument.calendar, ())
        return min((each for each in sessions if each.opens_at > now), key=_opens_at, default=None)

    def sessions_of(self, calendar: str) -> Sequence[Session]:
        """Of a calendar, whatever trades by it: as far as market-data told."""
        return tuple(self._sessions.get(calendar, ()))

    def settlement_day(self, symbol: str, on: date) -> date | None:
        """The first settlement day after `on`; None where that lies beyond what market-data told."""
        instrument = self._instruments.get(symbol)
        days = self._settlement_days.get(instrument.settlement_calendar, ()) if instrument else ()
        # Days before the first one known are gaps in our knowledge, not holidays.
        if not days or on < days[0]:
            return None
        return next((day for day in days if day > on), None)

    def fresh(self, quote: Quote | None, max_age_s: float) -> bool:
        """Whether it was known to be the newest not longer ago than that, in wall time."""
        return quote is not None and self.age_s(quote) <= max_age_s

    def age_s(self, quote: Quote) -> float:
        """How long ago it was known to be the newest, in wall time; never less than nothing. In a session of
        its market a quote is, while the feed lives that told it; else it is as old as it was received."""
        return max(0.0, (self._clock() - self._known_at(quote)).total_seconds())

    def _known_at(self, quote: Quote) -> datetime:
        life = self._life
        if life is None or quote.epoch != life.epoch or quote.received_at < life.since:
            return quote.received_at
        session = self.session(quote.symbol)
        # Before a session's first price nobody can say what it will be, and outside not all are told.
        if session is None or quote.market_time < session.opens_at:
            return quote.received_at
        return max(quote.received_at, life.until)

    async def updates(self) -> AsyncGenerator[Quote, None]:
        """Every symbol's quote as it is, then as it changes, for this reader alone; use `aclosing`."""
        reader = Reader()
        for quote in self._quotes.values():
            reader.put(quote)
        self._readers.add(reader)
        try:
            async for quote in reader.read():
                yield quote
        finally:
            self._readers.discard(reader)

    async def follow(self, channel: aio.Channel) -> None:
        """Follows market-data for ever; every new stream starts with a snapshot."""
        stub = market_data_pb2_grpc.MarketDataServiceStub(channel)
        backoff, loop = Backoff(0.1, 2.0), asyncio.get_running_loop()
        while True:
            try:
                async with (
                    asyncio.timeout(self._silence_s) as silence,
                    reading(stub.StreamQuotes(market_data_pb2.StreamQuotesRequest())) as messages,
                ):
                    async for message in messages:
                        silence.reschedule(loop.time() + self._silence_s)
                        self.apply(message)
                        self._connected = True
                        backoff.reset()
            except Exception as error:  # noqa: BLE001 - what is known stays, and grows stale
                log.warning("quote_stream_lost", error=repr(error))
            finally:
                self._connected = False
            await backoff.wait()

    def apply(self, message: market_data_pb2.StreamQuotesResponse) -> None:
        if message.HasField("snapshot"):
            self._replace(message.snapshot)
        if message.HasField("market_time"):
            self._advance(message.market_time.ToDatetime(tzinfo=UTC))
        # An older market-data does not say it; one that does says it each time.
        self._life = read_feed_life(message.feed_life) if message.HasField("feed_life") else None
        self._take(read_quote(quote) for quote in message.quotes)

    def _replace(self, snapshot: market_data_pb2.Snapshot) -> None:
        if snapshot.epoch < self._epoch:
            log.warning("old_snapshot_dropped", epoch=snapshot.epoch, known=self._epoch)
            return
        self._epoch = snapshot.epoch
        self._instruments = {each.symbol: read_instrument(each) for each in snapshot.instruments}
        self._calendars = {each.calendar: read_calendar(each) for each in snapshot.calendars}
        sessions: dict[str, list[Session]] = {}
        for session in map(read_session, snapshot.sessions):
            sessions.setdefault(session.calendar, []).append(session)
        self._sessions = sessions
        self._settlement_days = {
            each.calendar: read_settlement_days(each) for each in snapshot.settlement_calendars
        }
        self._quotes = {each: quote for each, quote in self._quotes.items() if each in self._instruments}
        if snapshot.HasField("market_time"):
            self._advance(snapshot.market_time.ToDatetime(tzinfo=UTC))
        # After a restart of market-data the last known quotes are those of an epoch that is over.
        self._take((read_quote(quote) for quote in snapshot.quotes), since=0)
        self.loaded.set()

    def _advance(self, market_time: datetime) -> None:
        """Market time never goes back."""
        if self._market_time is None or market_time > self._market_time:
            self._market_time = market_time

    def _take(self, quotes: Iterable[Quote], since: int | None = None) -> None:
        """Those of this epoch or newer (default: of the newest that was heard of)."""
        for quote in quotes:
            known = self._quotes.get(quote.symbol)
            # Within an epoch the sequence counts; a feeder that was replaced may still be talking.
            oldest = self._epoch if since is None else since
            if quote.epoch < oldest or (known is not None and quote.position <= known.position):
                continue
            self._epoch = max(self._epoch, quote.epoch)
            self._quotes[quote.symbol] = quote
            for reader in self._readers:
                reader.put(quote)


def _opens_at(session: Session) -> datetime:
    return session.opens_at
