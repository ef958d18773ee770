"""Prices: what a feed says, and what a stream of quotes makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Tick:
    """What a feed says about one symbol at one moment of its own time.

    `traded`: how much was traded just now, of a feed that tells each trade; 0 where only the market around it
    has changed. None: a price of its own, and what was traded shows only in the day's `volume`.
    """

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
    traded: Decimal | None = None


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


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedLife:
    """Between `since` and `until`, in wall time, the feeder of that epoch was certain to hear of every price:
    its quotes that were received since then are the newest as of `until`."""

    epoch: int
    since: datetime
    until: datetime


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
        traded=tick.traded,
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


def alone(quote: Quote) -> Quote:
    """For somebody who has missed none; the very same where it is that already."""
    if quote.low_ask == quote.ask and quote.high_bid == quote.bid:
        return quote
    return replace(quote, low_ask=quote.ask, high_bid=quote.bid)
