"""A hold: cash or shares set aside for an order, and what of it the order can still need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hub_money import PLACES
from hub_position.domain.changed import changed
from hub_position.domain.fees import fee_of
from hub_position.domain.trade import Side, Trade, share

ZERO = Decimal(0)
LEAST = Decimal(1).scaleb(-PLACES)
# The order service remembers an idempotency key for 24 h from its answer, which came after the hold. While
# that is certain, a hold whose order has ended still answers its key: the accept meets the first answer.
KEY_REMEMBERED = timedelta(hours=23)


@dataclass(frozen=True)
class Terms:
    """What a hold is for, as its order says: enough to make one that is not there. `by_value`: the quantity
    is an amount of cash, the unit price is 1."""

    hold_id: UUID
    order_id: UUID
    account_id: UUID
    side: Side
    symbol: str
    quantity: Decimal
    unit_price: Decimal
    by_value: bool = False


@dataclass(frozen=True)
class Hold:
    hold_id: UUID
    order_id: UUID
    account_id: UUID
    idempotency_key: str
    side: Side
    symbol: str
    quantity: Decimal
    unit_price: Decimal
    remaining: Decimal
    booked_quantity: Decimal
    """In the unit of quantity: of a hold by value, what the executions cost."""
    booked_count: int
    final_quantity: Decimal | None
    final_count: int | None
    confirmed: bool
    closed: bool
    placed_at: datetime
    by_value: bool = False
    covered: Decimal = ZERO
    """What another hold still has for this one, because its order comes in the place of that one's."""
    fee_rate: Decimal | None = None
    """What its trades cost beside their price, as a share; None: what the schedule says at booking."""

    @property
    def limit(self) -> Decimal:
        """The most its order can still come to, in the unit of quantity."""
        if self.final_quantity is None or self.by_value:
            return self.quantity
        return min(self.quantity, self.final_quantity)

    @property
    def open_quantity(self) -> Decimal:
        """What of that is not booked."""
        return ZERO if self.closed else max(self.limit - self.booked_quantity, ZERO)

    @property
    def need(self) -> Decimal:
        """Cash or shares that its order can still take."""
        return amount(self.side, self.open_quantity, self.unit_price, self.fee_rate)

    @property
    def overfilled(self) -> bool:
        """More was executed than was ordered. The cost of a purchase by value may differ by what is rounded,
        once for each execution."""
        rounded = LEAST * self.booked_count if self.by_value else ZERO
        return self.booked_quantity > self.quantity + rounded

    def left(self, filled: Decimal | None) -> Decimal:
        """What its order can still take when that much of it was filled (None: what is booked): executions
        that are not booked yet keep theirs."""
        unbooked = ZERO if filled is None else max(filled - self.booked_quantity, ZERO)
        return max(self.open_quantity - unbooked, ZERO)

    def covers(self, filled: Decimal | None) -> Decimal:
        """What it has for the order in its own's place."""
        quantity = self.open_quantity if self.by_value else self.left(filled)
        return amount(self.side, quantity, self.unit_price, self.fee_rate)

    def draws(self, trade: Trade) -> Decimal:
        """What a trade takes of it, in the unit of its quantity."""
        return trade.gross if self.by_value else trade.quantity

    def booked(self, quantity: Decimal) -> Hold:
        """After one more execution of its order."""
        return _settled(
            changed(self, booked_quantity=self.booked_quantity + quantity, booked_count=self.booked_count + 1)
        )

    def ended(self, *, final_quantity: Decimal, final_count: int) -> Hold:
        """After its order ended: the unfilled part goes, the rest stays until it is booked. Of two ends the
        one that counts more executions is the later."""
        if self.final_count is not None and final_count <= self.final_count:
            return self
        return _settled(changed(self, final_quantity=final_quantity, final_count=final_count))

    def moved_in(self, quantity: Decimal) -> Hold:
        """The order in whose place its own came has ended: nothing else covers it any more. Its own is for
        this quantity, which is less than was held for where the other one was filled meanwhile."""
        return _settled(changed(self, covered=ZERO, quantity=min(self.quantity, quantity or self.quantity)))

    def repriced(self, unit_price: Decimal) -> Hold:
        after = changed(self, unit_price=unit_price)
        return changed(after, remaining=max(after.need - after.covered, ZERO))

    def answers_its_key(self, now: datetime) -> bool:
        return not self.closed or (self.confirmed and now - self.placed_at < KEY_REMEMBERED)

    def released(self) -> Hold:
        return changed(self, remaining=ZERO, closed=True)


@dataclass(frozen=True)
class Drawn:
    """What was booked of an order before its hold was there."""

    count: int = 0
    quantity: Decimal = ZERO
    value: Decimal = ZERO


def made_late(terms: Terms, drawn: Drawn, now: datetime) -> Hold:
    """The hold of an order that exists, as if it had been placed in time."""
    hold = Hold(
        hold_id=terms.hold_id,
        order_id=terms.order_id,
        account_id=terms.account_id,
        idempotency_key="",
        side=terms.side,
        symbol=terms.symbol,
        quantity=terms.quantity,
        unit_price=terms.unit_price,
        remaining=ZERO,
        booked_quantity=drawn.value if terms.by_value else drawn.quantity,
        booked_count=drawn.count,
        final_quantity=None,
        final_count=None,
        confirmed=True,
        closed=False,
        placed_at=now,
        by_value=terms.by_value,
    )
    return hold.moved_in(hold.quantity)


def _settled(hold: Hold) -> Hold:
    """With what its order, which exists, can still need. A closed hold never opens again."""
    complete = hold.final_count is not None and hold.booked_count >= hold.final_count
    exhausted = not hold.by_value and hold.booked_quantity >= hold.limit
    closed = hold.closed or complete or exhausted
    remaining = ZERO if closed else max(hold.need - hold.covered, ZERO)
    return changed(hold, remaining=remaining, confirmed=True, closed=closed)


@dataclass(frozen=True)
class UnconfirmedHold:
    """A hold that no order has vouched for yet."""

    hold: Hold
    user_id: UUID


def amount(side: Side, quantity: Decimal, unit_price: Decimal, fee_rate: Decimal | None) -> Decimal:
    """What is set aside: cash for a purchase and its fee, shares for a sale."""
    if side is Side.SELL:
        return quantity
    value = share(unit_price, quantity, Decimal(1))
    return value + fee_of(value, fee_rate) if fee_rate else value
