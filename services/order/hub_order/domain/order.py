"""What an order is, the quote it is judged by, and what a venue did to it. Pure values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any
from uuid import UUID

from hub_money import PLACES, average, money, to_text
from hub_order.audit import FIRST, Record
from hub_order.domain.values import AT_ONCE, LIMITED, OPEN, STOPS, OrderType, Side, Status, TimeInForce

NAMESPACE_HUB_HOLD = UUID("6f2a1c1e-7d5b-5a0e-9a43-1f6d8e1f0c57")
ZERO = Decimal(0)
HUNDRED = Decimal(100)

_QUANTUM = Decimal(1).scaleb(-PLACES)
_WIDE = Context(prec=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The two prices an order can be filled at, and where they come from."""

    symbol: str
    epoch: int
    seq: int
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    market_time: datetime

    def texts(self) -> dict[str, str]:
        prices = {"bid": to_text(self.bid), "ask": to_text(self.ask)}
        return {"epoch": str(self.epoch), "seq": str(self.seq), **prices}

    def price(self, side: Side) -> Decimal:
        """What the side gets: purchases the ask, sales the bid."""
        return self.ask if side is Side.BUY else self.bid

    def size(self, side: Side) -> Decimal:
        """How much is shown at that price."""
        return self.ask_size if side is Side.BUY else self.bid_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The order is at a venue that keeps it: until the venue has answered, only the venue can end it. So is
    one that the venue was asked to put in another one's place: nobody knows whether it has it already."""

    venue: str
    quote: Quote
    routed_at: datetime
    filled_quantity: Decimal
    """What of the order was filled before it was sent, and `filled_value` what that cost."""
    filled_value: Decimal
    successor: UUID | None = None
    """The order that the venue was asked to put in its place."""
    whole_quantity: Decimal | None = None
    """Of an order that waits for the venue to put it in another one's place: what both are for together."""

    @property
    def sending(self) -> str:
        """Tells one sending of an order from its others."""
        return f"{self.quote.epoch}-{self.quote.seq}"


@dataclass(frozen=True, kw_only=True)
class Order:
    """Without slots, so that it can be copied whole; see `changed`."""

    order_id: UUID
    account_id: UUID
    user_id: UUID
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    """Of a purchase for a cash amount: what that amount comes to at the last price that was looked at."""
    limit_price: Decimal | None
    protection_price: Decimal | None
    hold_id: UUID
    stop_price: Decimal | None = None
    """Of a trailing stop: where the market reached it; None before."""
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    notional: Decimal | None = None
    extended_hours: bool = False
    replaces: UUID | None = None
    replaced_by: UUID | None = None
    parent_order_id: UUID | None = None
    body_hash: bytes = b""
    traceparent: str = ""
    status: Status = Status.PENDING
    reason: str = ""
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    execution_count: int = 0
    rested: bool = False
    reprice: bool = False
    """It was priced while nothing was traded: before it goes to a venue it is priced and held anew."""
    triggered_at: datetime | None = None
    route: Route | None = None
    ending: str = ""
    """The end that was asked of the venue: CANCELLED or EXPIRED."""
    ending_actor: str = ""
    venue_filled: Decimal | None = None
    """All that the venue says it filled, while not all of that has been heard of."""
    expires_at: datetime | None = None
    """In the market's time."""
    version: int = 0
    chain: bytes = FIRST
    accepted_at: datetime
    market_time: datetime | None
    updated_at: datetime

    @property
    def final(self) -> bool:
        return self.status not in OPEN

    @property
    def successor(self) -> UUID | None:
        """The order that its venue was asked to put in its place."""
        return None if self.route is None else self.route.successor

    @property
    def waits(self) -> bool:
        """It is to come in the place of another order, and the venue that has that one has not answered."""
        return self.route is not None and self.route.whole_quantity is not None

    @property
    def remaining(self) -> Decimal:
        return max(self.quantity - self.filled_quantity, ZERO)

    def remaining_at(self, price: Decimal) -> Decimal:
        """A purchase for a cash amount gets what the rest of it buys, never more."""
        if self.notional is None or self.side is Side.SELL:
            return self.remaining
        return affordable(self.notional - self.filled_value, price)

    @property
    def as_sent(self) -> Order:
        """Without what was filled since it went to the venue that has it."""
        if self.route is None:
            return self
        before = self.route
        return changed(self, filled_quantity=before.filled_quantity, filled_value=before.filled_value)

    @property
    def average_price(self) -> Decimal | None:
        return average(self.filled_value, self.filled_quantity) if self.filled_quantity else None

    @property
    def worst_price(self) -> Decimal | None:
        """The limit, or what protects a purchase without one; None where any price will do."""
        return self.limit_price if self.type in LIMITED else self.protection_price

    def accepts(self, price: Decimal) -> bool:
        """Whether the order may be filled at this price."""
        worst = self.worst_price
        if price <= 0 or worst is None:
            return price > 0
        return price <= worst if self.side is Side.BUY else price >= worst

    @property
    def awaits_stop(self) -> bool:
        """It has a stop that the market has not reached."""
        return self.type in STOPS and self.triggered_at is None

    @property
    def at_market(self) -> bool:
        """It takes the market's price as soon as there is one."""
        return self.type not in LIMITED and not self.awaits_stop

    @property
    def at_once(self) -> bool:
        return self.time_in_force in AT_ONCE

    def trail_of(self, mark: Decimal) -> Decimal:
        """How far behind its best price, which is `mark`, a trailing stop follows."""
        if self.trail_amount is not None:
            return self.trail_amount
        return money(mark * (self.trail_percent or ZERO) / HUNDRED)


_FIELDS = frozenset(field.name for field in fields(Order))


def changed(order: Order, **values: Any) -> Order:
    """`dataclasses.replace` in a tenth of its time: it sets each of forty fields anew, at every step."""
    if not values.keys() <= _FIELDS:
        raise TypeError(f"an order has no {values.keys() - _FIELDS}")
    after = object.__new__(Order)
    after.__dict__.update(order.__dict__, **values)
    return after


def order_of(values: Mapping[str, Any]) -> Order:
    """An order of all its fields, as they were stored."""
    if values.keys() != _FIELDS:
        raise TypeError(f"an order has these fields and no others: {values.keys() ^ _FIELDS}")
    order = object.__new__(Order)
    order.__dict__.update(values)
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What a venue did: a fact, whatever became of the order meanwhile."""

    execution_id: UUID
    order_id: UUID
    account_id: UUID
    venue: str
    venue_execution_id: str
    quantity: Decimal
    price: Decimal
    quote: Quote
    executed_at: datetime
    venue_time: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """The order after one step, the step's record, and what caused it: an execution, or the order that came
    in its place."""

    order: Order
    record: Record
    execution: Execution | None = None
    successor: Order | None = None
    begins: bool = False
    """It was PENDING and works from now on, without having been filled."""


def affordable(cash: Decimal, price: Decimal) -> Decimal:
    """What the cash buys at this price, to 8 places, rounded down."""
    if cash <= 0 or price <= 0:
        return ZERO
    return _WIDE.divide(cash, price).quantize(_QUANTUM, rounding=ROUND_FLOOR, context=_WIDE)


def hold_id_of(order_id: UUID, replaced_version: int = 0) -> UUID:
    """An order that comes in another one's place holds for each version of that one anew."""
    return _uuid5(NAMESPACE_HUB_HOLD, f"{order_id}/{replaced_version}" if replaced_version else str(order_id))


def execution_id_of(order_id: UUID, venue_execution_id: str) -> UUID:
    return _uuid5(order_id, venue_execution_id)


def _uuid5(namespace: UUID, name: str) -> UUID:
    """`uuid.uuid5` in half of its time."""
    digest = hashlib.sha1(namespace.bytes + name.encode(), usedforsecurity=False).digest()
    number = int.from_bytes(digest[:16]) & ~(0xF << 76 | 0x3 << 62)
    return UUID(int=number | 5 << 76 | 0x2 << 62)
