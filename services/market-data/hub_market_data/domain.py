"""What is traded, when, and at which prices. Pure: no clock, no input, no output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final

from hub_errors import Invalid

ALWAYS_OPEN: Final = "24x7"
MAX_SYMBOLS: Final = 100


class AssetClass(Enum):
    STOCK = "STOCK"
    ETF = "ETF"
    BOND = "BOND"
    CRYPTO = "CRYPTO"
    FUND = "FUND"


@dataclass(frozen=True, kw_only=True)
class Instrument:
    symbol: str
    name: str
    asset_class: AssetClass
    exchange: str
    currency: str
    tick_size: Decimal
    lot_size: Decimal
    fractionable: bool
    tradable: bool
    halted: bool
    calendar: str


@dataclass(frozen=True, kw_only=True)
class Session:
    """A time during which a calendar's instruments trade; the close is not part of it."""

    calendar: str
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One day of an instrument."""

    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int

    def mirrored(self) -> Bar:
        """The same day lived backwards."""
        return replace(self, open=self.close, close=self.open)


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What a feed says about one symbol at one moment of its own time."""

    symbol: str
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


@dataclass(frozen=True, kw_only=True)
class Quote(Tick):
    """A tick with its place in the order of all ticks, and what its reader missed since the one before."""

    epoch: int
    seq: int
    received_at: datetime
    low_ask: Decimal
    high_bid: Decimal

    @property
    def position(self) -> tuple[int, int]:
        return (self.epoch, self.seq)


def quoted(tick: Tick, *, epoch: int, seq: int, received_at: datetime) -> Quote:
    return Quote(
        symbol=tick.symbol,
        bid=tick.bid,
        bid_size=tick.bid_size,
        ask=tick.ask,
        ask_size=tick.ask_size,
        last=tick.last,
        open=tick.open,
        high=tick.high,
        low=tick.low,
        previous_close=tick.previous_close,
        volume=tick.volume,
        market_time=tick.market_time,
        epoch=epoch,
        seq=seq,
        received_at=received_at,
        low_ask=tick.ask,
        high_bid=tick.bid,
    )


def conflated(unread: Quote | None, newer: Quote) -> Quote:
    """The newer quote, which remembers the best prices of the one that nobody read."""
    if unread is None:
        return newer
    return replace(
        newer,
        low_ask=min(unread.low_ask, newer.low_ask),
        high_bid=max(unread.high_bid, newer.high_bid),
    )


def always_open_sessions(now: datetime) -> tuple[Session, Session]:
    """The running and the next session of a market that never closes: one for each UTC day."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC)
    first, second, third = (midnight + timedelta(days=days) for days in range(3))
    return (
        Session(calendar=ALWAYS_OPEN, opens_at=first, closes_at=second),
        Session(calendar=ALWAYS_OPEN, opens_at=second, closes_at=third),
    )


def asked_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Each symbol once, in the order asked for."""
    if len(symbols) > MAX_SYMBOLS:
        raise Invalid(f"At most {MAX_SYMBOLS} symbols at once.", code="too_many_symbols", field="symbols")
    return tuple(dict.fromkeys(symbols))
