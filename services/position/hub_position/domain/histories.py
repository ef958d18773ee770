"""The facts of positions that a transaction folds anew, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from hub_position.domain.actions import (
    NOTHING,
    ActionEffect,
    CorporateAction,
    Folded,
    comes_before,
    dividends,
    fold_with,
    lieu,
)
from hub_position.domain.position import Booked, Effect, Position, PositionKey
from hub_position.domain.trade import Trade

Effects = Mapping[UUID, ActionEffect]


@dataclass(frozen=True)
class Refold:
    """A position's facts, folded anew, and what its actions did before that."""

    folded: Folded
    before: Effects

    @property
    def more_dividends(self) -> Decimal:
        return self.folded.dividends - dividends(self.before.values())

    @property
    def more_lieu(self) -> Decimal:
        return self.folded.lieu - lieu(self.before.values())


class Histories:
    """`booked` has every trade of each position that is folded anew, `effects` what actions did to it."""

    def __init__(
        self,
        booked: Mapping[PositionKey, Sequence[Booked]],
        actions: Mapping[str, Sequence[CorporateAction]],
        effects: Mapping[PositionKey, Effects],
    ) -> None:
        self.restated: dict[UUID, Booked] = {}
        self.acted: dict[tuple[UUID, PositionKey], ActionEffect] = {}
        """By action and position, what was not so before."""
        self._booked = {key: list(history) for key, history in booked.items()}
        self._actions = actions
        self._effects = {key: dict(own) for key, own in effects.items()}

    def actions(self, key: PositionKey) -> Sequence[CorporateAction]:
        """All that are known of its instrument."""
        return self._actions.get(key[1], ())

    def is_late(self, before: Position, key: PositionKey, trade: Trade) -> bool:
        """Whether it belongs before a fact that is folded in already."""
        return before.is_late(trade) or comes_before(trade, self.actions(key))

    def begin(self, key: PositionKey) -> None:
        """A position that is new: its first facts may come in any order."""
        if self.actions(key):
            self._booked.setdefault(key, [])

    def known(self, key: PositionKey) -> bool:
        return key in self._booked

    def add(self, key: PositionKey, booked: Booked) -> None:
        if key in self._booked:
            self._booked[key].append(booked)

    def insert(self, key: PositionKey, late: Trade) -> tuple[Refold, Effect]:
        """A trade that comes before others, or before an action; its own effect too."""
        history, before = self._booked[key], self._effects.get(key, {})
        folded = fold_with([*(booked.trade for booked in history), late], self.actions(key))
        own = self._restate(history, folded.booked, late)
        if own is None:
            raise AssertionError("the late trade is not in its own fold")
        self._note(key, folded)
        return Refold(folded, before), own

    def catch_up(self, key: PositionKey) -> Refold:
        """Actions that the position does not know of yet."""
        history, before = self._booked[key], self._effects.get(key, {})
        folded = fold_with([booked.trade for booked in history], self.actions(key))
        self._restate(history, folded.booked, None)
        self._note(key, folded)
        return Refold(folded, before)

    def note(self, key: PositionKey, action: CorporateAction, effect: ActionEffect) -> None:
        """An action that came after all else."""
        if effect != NOTHING:
            self.acted[action.action_id, key] = effect
            self._effects.setdefault(key, {})[action.action_id] = effect

    def _restate(
        self, history: Sequence[Booked], refolded: Sequence[Booked], late: Trade | None
    ) -> Effect | None:
        """Notes every trade whose effect is another one now, and answers the late trade's own."""
        written = {booked.trade.trade_id: booked.effect for booked in history}
        own = None
        for booked in refolded:
            if late is not None and booked.trade.trade_id == late.trade_id:
                own = booked.effect
            elif written[booked.trade.trade_id] != booked.effect:
                self.restated[booked.trade.trade_id] = booked
        return own

    def _note(self, key: PositionKey, folded: Folded) -> None:
        before = self._effects.get(key, {})
        for action_id, effect in folded.effects.items():
            if effect != before.get(action_id, NOTHING):
                self.acted[action_id, key] = effect
        self._booked[key] = list(folded.booked)
        self._effects[key] = folded.effects
