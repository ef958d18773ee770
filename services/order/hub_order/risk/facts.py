"""What the rules look at: the order that is asked for, how far is too far, and how the market and the account
stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from hub_market_client import Instrument
from hub_order.domain import STOPS, OrderType, Quote, Side, TimeInForce

LEAST_VALUE: Final = Decimal(1)
ORDERS_PER_MINUTE: Final = 10_000
MOST_OPEN_ORDERS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the caller asks for, well-formed but not yet judged."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal | None = None
    """Of a replacement: what is still to be filled."""
    notional: Decimal | None = None
    """Cash to spend or to raise, instead of a quantity."""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    replaces: UUID | None = None
    given: tuple[str, ...] | None = None
    """Of a replacement: the terms that its caller sent, first those that he changes. None: he sent all."""
    closing: bool = False
    """It sells what the account holds: how much that is, is known only when it is held."""

    def told_of(self, field: str, *instead: str) -> str:
        """The field that a refusal names is one that the caller sent. Where he did not send `field` it is one
        of `instead`, which matter too; where he sent none of these it is none. Who gave an amount of cash is
        told of that, not of a quantity."""
        if field == "quantity" and self.notional is not None:
            return "notional"
        if self.given is None:
            return field
        return next((name for name in self.given if name in {field, *instead}), "")

    @property
    def awaits_stop(self) -> bool:
        return self.type in STOPS

    @property
    def by_value(self) -> bool:
        """A purchase that ends when the money is spent."""
        return self.notional is not None and self.side is Side.BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far is too far for this account and instrument."""

    price_band: Decimal
    price_sanity: Decimal
    price_protection: Decimal
    most_quantity: Decimal
    most_value: Decimal
    least_value: Decimal = LEAST_VALUE
    orders_per_minute: int = ORDERS_PER_MINUTE
    most_open_orders: int = MOST_OPEN_ORDERS
    most_position: Decimal | None = None
    """Shares of one instrument that an account may have, which position decides; None: any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """Limits of one account instead of those of the settings; None: as the settings say."""

    most_value: Decimal | None = None
    most_quantity: Decimal | None = None
    most_position: Decimal | None = None
    orders_per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the rules may look at. The last quote is the reference; in a session it must be fresh."""

    draft: Draft
    limits: Limits
    instrument: Instrument | None
    quote: Quote | None
    fresh: bool
    session_open: bool
    """A session of the instrument's calendar runs."""
    opening: bool = False
    """It has only just begun: its first quotes are still on their way."""
    opens_at: datetime | None = None
    """When the next session begins, where that is known."""
    extended_hours: bool = False
    """Orders may work outside of the regular session."""
    extended_hours_here: bool = False
    """In this instrument too, asked of an order that wants to."""
    retry_after_s: float | None = None
    """The account has sent too many orders; when it may send the next."""
    open_orders: int = 0
    """Of the account, that rest; those sent this moment may be missing."""
    opposing_price: Decimal | None = None
    """Of the account's own working orders in the instrument on the other side the price that comes nearest:
    the lowest of sales, the highest of purchases; 0 for a sale at the market; None where there are none."""
