"""A position is the fold of its trades in (executed_at, id) order, with corporate actions between them (see
`actions`): quantity, total cost, realised profit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from hub_money import average
from hub_position.domain.changed import changed
from hub_position.domain.trade import Key, Side, Trade, share

ZERO = Decimal(0)
# Account and symbol.
PositionKey = tuple[UUID, str]


class PositionStatus(StrEnum):
    ACTIVE = "ACTIVE"
    PARTIAL = "PARTIAL"
    CLOSED = "CLOSED"


class ChangeKind(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    CLOSED = "closed"
    REOPENED = "reopened"
    VALIDATION_FAILED = "validation_failed"
    SPLIT = "split"
    DIVIDEND = "dividend"


@dataclass(frozen=True)
class Holding:
    """What the fold of some trades comes to. Its cost is zero unless its quantity is positive."""

    quantity: Decimal = ZERO
    total_cost: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    status: PositionStatus = PositionStatus.CLOSED


@dataclass(frozen=True)
class Effect:
    """What one trade does at its place in the fold."""

    cost_added: Decimal
    cost_removed: Decimal
    realised: Decimal

    @property
    def cost(self) -> Decimal:
        return self.cost_added - self.cost_removed


@dataclass(frozen=True)
class Booked:
    """A trade with its effect as last written."""

    trade: Trade
    effect: Effect


@dataclass(frozen=True)
class Position:
    position_id: UUID
    account_id: UUID
    symbol: str
    opened_at: datetime
    updated_at: datetime
    holding: Holding = field(default_factory=Holding)
    held: Decimal = ZERO
    last: Key | None = None
    version: int = 0
    actions: int = 0
    """How many corporate actions of its instrument are folded in, whatever they did."""
    split_at: datetime | None = None
    split_ratio: Decimal | None = None
    split_factor: Decimal = Decimal(1)
    negative_since: datetime | None = None

    @property
    def sellable(self) -> Decimal:
        return self.holding.quantity - self.held

    @property
    def average_price(self) -> Decimal | None:
        holding = self.holding
        return average(holding.total_cost, holding.quantity) if holding.quantity > 0 else None

    def is_late(self, trade: Trade) -> bool:
        """Whether the trade belongs before one that is booked already."""
        return self.last is not None and trade.key < self.last

    def after(self, trade: Trade, holding: Holding, now: datetime) -> Position:
        return changed(
            self,
            holding=holding,
            last=trade.key if self.last is None else max(self.last, trade.key),
            opened_at=trade.executed_at if self.last is None else min(self.opened_at, trade.executed_at),
            updated_at=now,
            version=self.version + 1,
            negative_since=self.negative_from(holding, now),
        )

    def negative_from(self, after: Holding, now: datetime) -> datetime | None:
        """Since when it is, where it will be negative."""
        if after.quantity >= 0:
            return None
        return now if self.holding.quantity >= 0 else self.negative_since


def effect_of(holding: Holding, trade: Trade) -> Effect:
    """A sale removes its share of cost; what it sells beyond the holding has no cost. A purchase adds its
    cost, less what covers an earlier over-sale: that part is gone already."""
    if trade.side is Side.SELL:
        sold = min(trade.quantity, max(holding.quantity, ZERO))
        removed = _part(holding.total_cost, sold, holding.quantity)
        return Effect(ZERO, removed, trade.gross - removed)
    covering = min(trade.quantity, max(-holding.quantity, ZERO))
    removed = _part(trade.gross, covering, trade.quantity)
    return Effect(trade.gross, removed, -removed)


def _part(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    if part == 0:
        return ZERO
    return cost if part == whole else share(cost, part, whole)


def apply(holding: Holding, trade: Trade) -> tuple[Holding, Effect]:
    effect = effect_of(holding, trade)
    quantity = holding.quantity + trade.shares
    after = Holding(
        quantity=quantity,
        total_cost=holding.total_cost + effect.cost,
        realised_pnl=holding.realised_pnl + effect.realised,
        fees=holding.fees + trade.fee,
        status=_status(holding, trade.side, quantity),
    )
    return after, effect


def _status(before: Holding, side: Side, quantity: Decimal) -> PositionStatus:
    if quantity == 0:
        return PositionStatus.CLOSED
    if side is Side.SELL:
        return PositionStatus.PARTIAL
    opens = before.quantity == 0 or before.quantity < 0 < quantity
    return PositionStatus.ACTIVE if opens else before.status


def change_kind(before: Position, after: Holding) -> ChangeKind:
    if after.quantity < 0:
        return ChangeKind.VALIDATION_FAILED
    if before.last is None:
        return ChangeKind.CREATED
    if after.status is PositionStatus.CLOSED:
        return ChangeKind.CLOSED
    return ChangeKind.REOPENED if before.holding.status is PositionStatus.CLOSED else ChangeKind.UPDATED
