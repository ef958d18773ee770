"""Splits and dividends as facts of a position. They happen at a moment of the market's own time, the opening
of the ex-date: a trade comes before an action when the quote that it was made from does."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Context, Decimal
from enum import StrEnum
from uuid import UUID

from hub_position.domain.changed import changed
from hub_position.domain.position import Booked, Holding, Position, PositionStatus, apply
from hub_position.domain.trade import Trade, share

ZERO, ONE = Decimal(0), Decimal(1)
# Ratios of many splits, multiplied without rounding.
MANY_DIGITS = 200


class ActionType(StrEnum):
    SPLIT = "SPLIT"
    DIVIDEND = "DIVIDEND"


@dataclass(frozen=True)
class CorporateAction:
    """`number` is the ratio of a split, new shares for each old one, or a dividend's cash for each share.
    `lieu_price` is what a new share is worth where parts of shares are paid out; None: they stay."""

    action_id: UUID
    symbol: str
    type: ActionType
    number: Decimal
    effective_at: datetime
    lieu_price: Decimal | None = None

    @property
    def key(self) -> tuple[datetime, bool, UUID]:
        """A dividend of the same day is for the shares that a split has made."""
        return (self.effective_at, self.type is ActionType.DIVIDEND, self.action_id)


@dataclass(frozen=True)
class ActionEffect:
    """What an action does to a position at its place in the fold. Cost goes only with a quantity that is too
    small to be held after a split, or with the `fraction` that is paid out: `lieu` is the cash for it."""

    quantity_before: Decimal = ZERO
    quantity_after: Decimal = ZERO
    cost_removed: Decimal = ZERO
    cash: Decimal = ZERO
    fraction: Decimal = ZERO
    lieu: Decimal = ZERO

    @property
    def realised(self) -> Decimal:
        return self.lieu - self.cost_removed


@dataclass(frozen=True)
class Progress:
    """How far an action is: `open_holds` keep a split from beginning, `left` counts to a limit."""

    open_holds: int = 0
    accounts: int = 0
    left: int = 0
    done: bool = False


NOTHING = ActionEffect()


@dataclass(frozen=True)
class Folded:
    """What facts come to: the holding, the trades with their effects in order, and what each action did."""

    holding: Holding
    booked: list[Booked]
    effects: dict[UUID, ActionEffect]

    @property
    def dividends(self) -> Decimal:
        return dividends(self.effects.values())

    @property
    def lieu(self) -> Decimal:
        return lieu(self.effects.values())


def dividends(effects: Iterable[ActionEffect]) -> Decimal:
    return sum((effect.cash for effect in effects), ZERO)


def lieu(effects: Iterable[ActionEffect]) -> Decimal:
    return sum((effect.lieu for effect in effects), ZERO)


def act(holding: Holding, action: CorporateAction) -> tuple[Holding, ActionEffect]:
    """A split makes other shares of the same cost; a dividend is cash, and a debit of who owes shares. Both
    are rounded once, half to even, at 8 places."""
    quantity = holding.quantity
    if not quantity:
        return holding, NOTHING
    if action.type is ActionType.DIVIDEND:
        return holding, ActionEffect(quantity, quantity, cash=share(action.number, quantity, ONE))
    effect = _split(holding, action)
    split = changed(
        holding,
        quantity=effect.quantity_after,
        total_cost=holding.total_cost - effect.cost_removed,
        realised_pnl=holding.realised_pnl + effect.realised,
        status=holding.status if effect.quantity_after else PositionStatus.CLOSED,
    )
    return split, effect


def _split(holding: Holding, action: CorporateAction) -> ActionEffect:
    """What is paid out takes its share of the cost. Nobody pays for a part of a share that is owed."""
    made, fraction, paid = share(action.number, holding.quantity, ONE), ZERO, ZERO
    if action.lieu_price is not None and made > 0:
        fraction = made - made.to_integral_value(ROUND_DOWN)
        paid = share(action.lieu_price, fraction, ONE)
    after = made - fraction
    removed = share(holding.total_cost, fraction, made) if after else holding.total_cost
    return ActionEffect(holding.quantity, after, removed, fraction=fraction, lieu=paid)


def fold(trades: Iterable[Trade], actions: Iterable[CorporateAction] = ()) -> tuple[Holding, list[Booked]]:
    """The holding, and each trade with its effect in their order."""
    folded = fold_with(trades, actions)
    return folded.holding, folded.booked


def fold_with(trades: Iterable[Trade], actions: Iterable[CorporateAction]) -> Folded:
    """The holding that these facts come to, whatever order they are given in."""
    ordered = sorted(actions, key=lambda action: action.key)
    starts = [action.effective_at for action in ordered]
    stretches: list[list[Trade]] = [[] for _ in range(len(ordered) + 1)]
    for trade in sorted(trades, key=lambda trade: trade.key):
        stretches[bisect_right(starts, trade.market_time)].append(trade)
    holding, booked, effects = Holding(), list[Booked](), dict[UUID, ActionEffect]()
    for number, stretch in enumerate(stretches):
        if number:
            action = ordered[number - 1]
            holding, effects[action.action_id] = act(holding, action)
        for trade in stretch:
            holding, effect = apply(holding, trade)
            booked.append(Booked(trade, effect))
    return Folded(holding, booked, effects)


def comes_before(trade: Trade, actions: Sequence[CorporateAction]) -> bool:
    """Whether one of them took effect after the trade."""
    return any(action.effective_at > trade.market_time for action in actions)


def folds_anew(position: Position, trade: Trade, actions: Sequence[CorporateAction]) -> bool:
    """Whether booking the trade needs all the facts of the position."""
    return position.is_late(trade) or position.actions != len(actions) or comes_before(trade, actions)


def last_split(actions: Sequence[CorporateAction]) -> CorporateAction | None:
    splits = [action for action in actions if action.type is ActionType.SPLIT]
    return max(splits, key=lambda action: action.key, default=None)


def split_factor(actions: Iterable[CorporateAction]) -> Decimal:
    """How many shares after all these one share from before them is."""
    exact, factor = Context(prec=MANY_DIGITS), ONE
    for action in actions:
        if action.type is ActionType.SPLIT:
            factor = exact.multiply(factor, action.number)
    return factor
