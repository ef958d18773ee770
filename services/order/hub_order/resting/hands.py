"""What is handed over: an order, the quote it can be filled from, and the stop that the market has
reached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from hub_order.domain import Quote
from hub_order.resting.entry import Entry, units
from hub_order.resting.instrument import fits


@dataclass(frozen=True, slots=True)
class Hand:
    order_id: UUID
    account_id: UUID
    traceparent: str
    quote: Quote
    stop_price: Decimal | None = None


def hand(entry: Entry, quote: Quote, *, high_bid: Decimal, low_ask: Decimal) -> Hand:
    """A limit that only an extreme price has reached is filled from that one. A stop that only an extreme has
    reached is an order at the market from then on, and gets the quote that is there."""
    if not fits(entry, units(quote.bid), units(quote.ask)):
        if entry.sells:
            quote = replace(quote, bid=high_bid, ask=max(quote.ask, high_bid))
        else:
            quote = replace(quote, ask=low_ask, bid=min(quote.bid, low_ask))
    return Hand(entry.order_id, entry.account_id, entry.traceparent, quote, entry.stop_price)
