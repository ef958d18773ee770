"""Where orders are filled. The simulated venue is a pure function of an order and a quote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from hub_order.domain import Execution, Order, Quote, Side, execution_id_of


@dataclass(frozen=True, slots=True)
class Fill:
    venue_execution_id: str
    quantity: Decimal
    price: Decimal
    venue_time: datetime


class Venue(Protocol):
    """Says what an order gets from a quote. It is asked inside a transaction, so it waits for nothing."""

    @property
    def name(self) -> str: ...

    def fill(self, order: Order, quote: Quote) -> Fill | None: ...


class SimulatedVenue:
    """Buys at the ask, sells at the bid, all that remains, and never beyond the order's worst price.

    The id of a fill follows from the order and the quote: the same quote fills an order once.
    """

    name = "simulated"

    def fill(self, order: Order, quote: Quote) -> Fill | None:
        price = price_for(order.side, quote)
        if price <= 0 or not order.remaining or not acceptable(order, price):
            return None
        return Fill(
            venue_execution_id=f"sim-{order.order_id}-{quote.epoch}-{quote.seq}",
            quantity=order.remaining,
            price=price,
            venue_time=quote.market_time,
        )


def price_for(side: Side, quote: Quote) -> Decimal:
    return quote.ask if side is Side.BUY else quote.bid


def acceptable(order: Order, price: Decimal) -> bool:
    worst = order.worst_price
    if worst is None:
        return True
    return price <= worst if order.side is Side.BUY else price >= worst


def execution_of(venue: Venue, order: Order, quote: Quote, fill: Fill, *, now: datetime) -> Execution:
    return Execution(
        execution_id=execution_id_of(order.order_id, fill.venue_execution_id),
        order_id=order.order_id,
        account_id=order.account_id,
        venue=venue.name,
        venue_execution_id=fill.venue_execution_id,
        quantity=fill.quantity,
        price=fill.price,
        quote=quote,
        executed_at=now,
        venue_time=fill.venue_time,
    )
