"""An account's cash and what it permits. Never moves money: bookings do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from uuid import UUID

from hub_position.domain.trade import Side

# Who acts where a rule of the books does, and why.
BOOKS = "position"
OVER_FILL = "OVER_FILL"
OVERSOLD = "OVERSOLD"
CENT = Decimal("0.01")


class AccountStatus(StrEnum):
    ACTIVE = "ACTIVE"
    RESTRICTED = "RESTRICTED"
    CLOSED = "CLOSED"


class TradingState(StrEnum):
    """The kill switch, beside the status: who may still send which orders."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True)
class Account:
    account_id: UUID
    user_id: UUID
    currency: str
    status: AccountStatus
    trading_state: TradingState
    settled: Decimal
    unsettled: Decimal
    held: Decimal
    version: int

    @property
    def cash(self) -> Decimal:
        return self.settled + self.unsettled

    @property
    def buying_power(self) -> Decimal:
        return self.cash - self.held

    def refusal(self, side: Side, *, lessening: bool = False) -> str:
        """Why the account may set nothing aside for this side; empty when it may. `lessening`: it comes in
        the place of an open order, and is for no more than what that one has left."""
        if self.status is AccountStatus.CLOSED:
            return "account_closed"
        if self.trading_state is TradingState.HALTED:
            return "account_halted"
        if side is Side.BUY and self.status is AccountStatus.RESTRICTED:
            return "account_restricted"
        if side is Side.BUY and self.trading_state is TradingState.REDUCING and not lessening:
            return "account_reducing"
        return ""


@dataclass(frozen=True)
class StateChange:
    """Who changed what an account may do, and why."""

    before: Account
    after: Account
    reason: str
    actor: str
    changed_at: datetime


@dataclass(frozen=True)
class AccountState:
    """What an account may do, and why; `changed_at` is None where nobody ever set it."""

    account: Account
    reason: str
    actor: str
    changed_at: datetime | None


def restricted(account: Account) -> Account:
    """One that is closed stays so."""
    return (
        replace(account, status=AccountStatus.RESTRICTED)
        if account.status is AccountStatus.ACTIVE
        else account
    )


@dataclass(frozen=True)
class Balance:
    """An account as its owner sees it. Unsettled debits are negative."""

    account: Account
    unsettled_debits: Decimal

    @property
    def withdrawable(self) -> Decimal:
        """What may be taken out, in whole cents: proceeds have to settle first, payments count at once."""
        free = max(Decimal(0), self.account.settled + self.unsettled_debits - self.account.held)
        return free.quantize(CENT, rounding=ROUND_FLOOR)
