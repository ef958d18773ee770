"""A trade: one execution of an order, as a fact that is booked whatever the state of anything else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from hub_money import money
from hub_position.domain.changed import changed
from hub_position.domain.fees import fee_of

# Product of two NUMERIC(20,8), divided by a third: enough digits that only the last step rounds.
EXACT_DIGITS = 60
_EXACT = Context(prec=EXACT_DIGITS)


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


# Facts of a position are folded in this order.
Key = tuple[datetime, UUID]


@dataclass(frozen=True)
class Trade:
    trade_id: UUID
    account_id: UUID
    order_id: UUID
    hold_id: UUID
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: datetime
    market_time: datetime
    settles_on: date

    @property
    def key(self) -> Key:
        return (self.executed_at, self.trade_id)

    @cached_property
    def gross(self) -> Decimal:
        return share(self.price, self.quantity, Decimal(1))

    def charged(self, fee_rate: Decimal) -> Trade:
        """The same at this share of its value as its fee."""
        fee = fee_of(self.gross, fee_rate)
        return self if fee == self.fee else changed(self, fee=fee)

    @property
    def shares(self) -> Decimal:
        """What it does to the position's quantity."""
        return self.quantity if self.side is Side.BUY else -self.quantity

    @property
    def net_cash(self) -> Decimal:
        """What it does to the account's cash."""
        return (self.gross if self.side is Side.SELL else -self.gross) - self.fee


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """amount * part / whole, rounded once, half to even, at 8 places."""
    return money(_EXACT.divide(_EXACT.multiply(amount, part), whole))


def next_weekday(day: date) -> date:
    """The next day that is neither Saturday nor Sunday."""
    following = day + timedelta(days=1)
    while following.weekday() >= 5:
        following += timedelta(days=1)
    return following
