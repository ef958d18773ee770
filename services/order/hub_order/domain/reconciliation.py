"""What orders and the books of positions both know, and what of it does not fit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from hub_money import to_text

Key = tuple[str, str, str]

MISSING_TRADE: Final = "missing_trade"
UNKNOWN_TRADE: Final = "unknown_trade"
DIFFERENT_TRADE: Final = "different_trade"
MISSING_HOLD: Final = "missing_hold"
DIFFERENT_HOLD: Final = "different_hold"
ORPHAN_HOLD: Final = "orphan_hold"
TRADE_KINDS: Final = frozenset({MISSING_TRADE, UNKNOWN_TRADE, DIFFERENT_TRADE})
HOLD_KINDS: Final = frozenset({MISSING_HOLD, DIFFERENT_HOLD, ORPHAN_HOLD})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`id` is an execution, a hold, or what position names of its own books; `expected` follows from the
    orders or from facts, `found` is what is written."""

    kind: str
    account_id: str
    id: str
    expected: str
    found: str
    order_id: str = ""
    first_seen_at: datetime | None = None

    @property
    def key(self) -> Key:
        return self.kind, self.account_id, self.id

    def __str__(self) -> str:
        about = " ".join(filter(None, (self.kind, self.id)))
        order = f", order {self.order_id}" if self.order_id else ""
        return f"account {self.account_id}{order}: {about}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One look at everything, and what it found."""

    finished_at: datetime
    since: datetime
    cut: datetime
    counts: Mapping[str, int]
    differences: Sequence[Difference]
    """What the pass before saw too."""
    suspects: Sequence[Difference]
    """What may be on its way."""
    more: int
    too_long: Sequence[UUID] = ()
    """Accounts whose books have more to look at than there is time for; they are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """An execution, or the trade that was booked for it."""

    id: UUID
    account_id: UUID
    order_id: UUID
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal

    def __str__(self) -> str:
        what = f"{self.side} {to_text(self.quantity)} {self.symbol} at {to_text(self.price)}"
        return f"{what} of order {self.order_id} and account {self.account_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOrder:
    """A hold, as position has it."""

    hold_id: UUID
    order_id: UUID
    account_id: UUID
    open: bool
    placed_at: datetime
    by_value: bool
    booked_quantity: Decimal
    booked_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingOrder:
    """An order, as far as its hold depends on it."""

    order_id: UUID
    account_id: UUID
    hold_id: UUID
    open: bool
    filled_quantity: Decimal
    filled_value: Decimal
    execution_count: int
    accepted_at: datetime
    updated_at: datetime


def trade_differences(
    executions: Mapping[UUID, Executed], trades: Mapping[UUID, Executed]
) -> Iterator[Difference]:
    """Of each id that either side has."""
    for each in executions.keys() | trades.keys():
        execution, trade = executions.get(each), trades.get(each)
        if execution is None and trade is not None:
            yield _traded(UNKNOWN_TRADE, trade, "no trade, for there is no execution", str(trade))
        elif execution is not None and trade is None:
            yield _traded(MISSING_TRADE, execution, str(execution), "no trade")
        elif execution is not None and execution != trade:
            yield _traded(DIFFERENT_TRADE, execution, str(execution), str(trade))


def _traded(kind: str, about: Executed, expected: str, found: str) -> Difference:
    return Difference(
        kind=kind,
        account_id=str(about.account_id),
        id=str(about.id),
        order_id=str(about.order_id),
        expected=expected,
        found=found,
    )


def hold_difference(
    hold: HeldOrder | None, order: HoldingOrder | None, *, cut: datetime
) -> Difference | None:
    """Of an order and its hold, or of a hold and the order that it says it is for. What changed after the cut
    may still be on its way to the other side."""
    if hold is not None and (order is None or order.hold_id != hold.hold_id):
        expected = "closed, for no order has it"
        return _held(ORPHAN_HOLD, hold, expected) if hold.open and hold.placed_at < cut else None
    if order is None or order.accepted_at >= cut:
        return None
    if order.open and (hold is None or not hold.open):
        found = "no hold" if hold is None else "a closed one"
        return Difference(
            kind=MISSING_HOLD,
            account_id=str(order.account_id),
            id=str(order.hold_id),
            order_id=str(order.order_id),
            expected="an open hold",
            found=found,
        )
    if hold is None or not hold.open or order.updated_at >= cut:
        return None
    filled = order.filled_value if hold.by_value else order.filled_quantity
    if not order.open:
        # What is missing of its executions is told as such, and closes it when it is booked.
        booked = hold.booked_count >= order.execution_count
        return _held(ORPHAN_HOLD, hold, "closed, for its order ended") if booked else None
    if (hold.booked_count, hold.booked_quantity) == (order.execution_count, filled):
        return None
    return _held(DIFFERENT_HOLD, hold, f"{to_text(filled)} booked in {order.execution_count} executions")


def _held(kind: str, hold: HeldOrder, expected: str) -> Difference:
    found = f"open, {to_text(hold.booked_quantity)} booked in {hold.booked_count} executions"
    return Difference(
        kind=kind,
        account_id=str(hold.account_id),
        id=str(hold.hold_id),
        order_id=str(hold.order_id),
        expected=expected,
        found=found,
    )
