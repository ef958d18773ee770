"""Holds at another price per share: a rise needs the cash for it. Decided on locked rows only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from hub_position.domain.account import Account
from hub_position.domain.hold import ZERO, Hold
from hub_position.domain.placing import HoldAnswer
from hub_position.domain.trade import Side


class Repricing:
    def __init__(self, *, accounts: Mapping[UUID, Account], holds: Sequence[Hold]) -> None:
        self.repriced: dict[UUID, Hold] = {}
        self.rises: dict[UUID, Decimal] = {}
        """What is set aside more, by account; less is negative."""
        self._cash = {account_id: account.buying_power for account_id, account in accounts.items()}
        self._holds = {hold.hold_id: hold for hold in holds}

    def decide(self, hold_id: UUID, unit_price: Decimal) -> HoldAnswer:
        """What is held by value, or in shares, has no price per share: it stays as it is."""
        before = self._holds.get(hold_id)
        if before is None or before.closed:
            return HoldAnswer(hold_id, granted=False, code="hold_released")
        granted = HoldAnswer(hold_id, granted=True, standing_hold_id=hold_id, quantity=before.quantity)
        if before.side is Side.SELL or before.by_value or before.unit_price == unit_price:
            return granted
        after = before.repriced(unit_price)
        rise = after.remaining - before.remaining
        available = max(self._cash[before.account_id], ZERO)
        if rise > available:
            return HoldAnswer(
                hold_id, granted=False, code="insufficient_funds", available=available, required=rise
            )
        self._holds[hold_id] = self.repriced[hold_id] = after
        self._cash[before.account_id] -= rise
        self.rises[before.account_id] = self.rises.get(before.account_id, ZERO) + rise
        return granted
