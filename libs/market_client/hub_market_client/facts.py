"""What is known of a market, as values, and how it is read from the wire."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self

from google.protobuf.timestamp_pb2 import Timestamp
from hub.market_data.v1 import market_data_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
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

    @classmethod
    def read(cls, message: market_data_pb2.Instrument) -> Self:
        return cls(
            symbol=message.symbol,
            name=message.name,
            asset_class=market_data_pb2.AssetClass.Name(message.asset_class).removeprefix("ASSET_CLASS_"),
            exchange=message.exchange,
            currency=message.currency,
            tick_size=Decimal(message.tick_size),
            lot_size=Decimal(message.lot_size),
            fractionable=message.fractionable,
            tradable=message.tradable,
            halted=message.halted,
            calendar=message.calendar,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Open from `opens_at` until just before `closes_at`, both market time."""

    calendar: str
    opens_at: datetime
    closes_at: datetime

    @classmethod
    def read(cls, message: market_data_pb2.Session) -> Self:
        return cls(
            calendar=message.calendar, opens_at=when(message.opens_at), closes_at=when(message.closes_at)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """`low_ask` and `high_bid` are the extremes since the last quote the same reader saw."""

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

    @classmethod
    def read(cls, message: market_data_pb2.Quote) -> Self:
        bid, ask = Decimal(message.bid), Decimal(message.ask)
        return cls(
            symbol=message.symbol,
            epoch=message.epoch,
            seq=message.seq,
            bid=bid,
            bid_size=_number(message.bid_size),
            ask=ask,
            ask_size=_number(message.ask_size),
            last=_number(message.last),
            open=_number(message.open),
            high=_number(message.high),
            low=_number(message.low),
            previous_close=_number(message.previous_close),
            volume=_number(message.volume),
            market_time=when(message.market_time),
            received_at=when(message.received_at),
            low_ask=Decimal(message.low_ask) if message.low_ask else ask,
            high_bid=Decimal(message.high_bid) if message.high_bid else bid,
        )

    def newer_than(self, other: Quote) -> bool:
        return (self.epoch, self.seq) > (other.epoch, other.seq)

    def keeping_extremes(self, skipped: Quote) -> Quote:
        """This quote for a reader that never saw `skipped`: no touch of a price is lost."""
        return replace(
            self,
            low_ask=min(self.low_ask, skipped.low_ask),
            high_bid=max(self.high_bid, skipped.high_bid),
        )


def when(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


def _number(text: str) -> Decimal:
    return Decimal(text or 0)
