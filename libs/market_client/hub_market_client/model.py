"""Instruments, sessions and quotes as values, and how they are read from messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from hub.market_data.v1 import market_data_pb2

# A market-data that does not know these limits yet has none.
UNLIMITED: Final = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Instrument:
    symbol: str
    name: str
    asset_class: str
    exchange: str
    currency: str
    tick_size: Decimal
    lot_size: Decimal
    fractionable: bool
    tradable: bool
    halted: bool
    calendar: str
    min_quantity: Decimal = Decimal(0)
    max_quantity: Decimal = UNLIMITED
    shortable: bool = False
    sector: str = ""
    description: str = ""
    settlement_calendar: str = ""
    halt_reason: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    name: str
    timezone: str
    always_open: bool

    def day_of(self, moment: datetime) -> date:
        """The date there; a calendar that is always open counts the days of UTC."""
        return moment.astimezone(UTC if self.always_open else self.zone).date()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


@dataclass(frozen=True, slots=True)
class Session:
    """`day` is the trading day in the calendar's own time zone."""

    calendar: str
    opens_at: datetime
    closes_at: datetime
    day: date


@dataclass(frozen=True, slots=True)
class Quote:
    """`low_ask` and `high_bid` are the extremes since the quote that was read before."""

    symbol: str
    epoch: int
    seq: int
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    last: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: Decimal
    market_time: datetime
    received_at: datetime
    low_ask: Decimal
    high_bid: Decimal

    @property
    def position(self) -> tuple[int, int]:
        """Where it stands among the quotes of its symbol."""
        return self.epoch, self.seq

    def absorbing(self, earlier: Quote) -> Quote:
        """This quote for a reader who has not seen the earlier one."""
        return replace(
            self,
            low_ask=min(self.low_ask, earlier.low_ask),
            high_bid=max(self.high_bid, earlier.high_bid),
        )


@dataclass(frozen=True, slots=True)
class FeedLife:
    """A quote of the epoch that was received not before `since` is the newest as of `until`, in wall time."""

    epoch: int
    since: datetime
    until: datetime


def read_instrument(message: market_data_pb2.Instrument) -> Instrument:
    asset_class = market_data_pb2.AssetClass.Name(message.asset_class).removeprefix("ASSET_CLASS_")
    return Instrument(
        symbol=message.symbol,
        name=message.name,
        asset_class=asset_class,
        exchange=message.exchange,
        currency=message.currency,
        tick_size=Decimal(message.tick_size or 0),
        lot_size=Decimal(message.lot_size or 0),
        fractionable=message.fractionable,
        tradable=message.tradable,
        halted=message.halted,
        calendar=message.calendar,
        min_quantity=Decimal(message.min_quantity or 0),
        max_quantity=Decimal(message.max_quantity) if message.max_quantity else UNLIMITED,
        shortable=message.shortable,
        sector=message.sector,
        description=message.description,
        settlement_calendar=message.settlement_calendar,
        halt_reason=message.halt_reason,
    )


def read_calendar(message: market_data_pb2.TradingCalendar) -> Calendar:
    return Calendar(name=message.calendar, timezone=message.timezone, always_open=message.always_open)


def read_session(message: market_data_pb2.Session) -> Session:
    opens_at = message.opens_at.ToDatetime(tzinfo=UTC)
    return Session(
        calendar=message.calendar,
        opens_at=opens_at,
        closes_at=message.closes_at.ToDatetime(tzinfo=UTC),
        day=date.fromisoformat(message.day) if message.day else opens_at.date(),
    )


def read_settlement_days(message: market_data_pb2.SettlementCalendar) -> tuple[date, ...]:
    return tuple(sorted(map(date.fromisoformat, message.days)))


def read_feed_life(message: market_data_pb2.FeedLife) -> FeedLife:
    return FeedLife(
        epoch=message.epoch,
        since=message.since.ToDatetime(tzinfo=UTC),
        until=message.until.ToDatetime(tzinfo=UTC),
    )


def read_quote(message: market_data_pb2.Quote) -> Quote:
    bid, ask = Decimal(message.bid), Decimal(message.ask)
    return Quote(
        symbol=message.symbol,
        epoch=message.epoch,
        seq=message.seq,
        bid=bid,
        bid_size=Decimal(message.bid_size or 0),
        ask=ask,
        ask_size=Decimal(message.ask_size or 0),
        last=Decimal(message.last or 0),
        open=Decimal(message.open or 0),
        high=Decimal(message.high or 0),
        low=Decimal(message.low or 0),
        previous_close=Decimal(message.previous_close or 0),
        volume=Decimal(message.volume or 0),
        market_time=message.market_time.ToDatetime(tzinfo=UTC),
        received_at=message.received_at.ToDatetime(tzinfo=UTC),
        low_ask=Decimal(message.low_ask) if message.low_ask else ask,
        high_bid=Decimal(message.high_bid) if message.high_bid else bid,
    )
