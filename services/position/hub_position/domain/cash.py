"""Cash that comes and goes beside trades: what may be paid out, and when a trade settles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from hub_errors import Conflict, HubError, Refused
from hub_money import LIMIT, to_text
from hub_position.domain.account import AccountStatus, Balance, TradingState

OWNER = "owner"
# Why an account is restricted when an adjustment took more than could still be spent.
ADJUSTED = "ADJUSTMENT"
# Of NUMERIC(20,8), half stays free for what trades bring.
MOST_CASH = LIMIT / 2
# A day is settled from its morning in New York on; midnight in UTC is the evening before there.
SETTLES_AFTER = timedelta(hours=12)


class MovementKind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True)
class Movement:
    """`amount` is what it does to the account's cash; `key` is its actor's name for it, or empty."""

    movement_id: UUID
    account_id: UUID
    kind: MovementKind
    amount: Decimal
    actor: str
    reason: str
    key: str
    moved_at: datetime

    def check_repeats(self, first: Movement) -> None:
        """Raises Conflict unless it is what was asked for by the same key before."""
        if (self.kind, self.amount, self.reason) != (first.kind, first.amount, first.reason):
            raise Conflict(
                "The idempotency key was used for something else.",
                code="idempotency_key_reused",
                field="idempotency_key",
            )

    def refusal(self, balance: Balance) -> HubError | None:
        """Why it may not be, by the locked row. An adjustment is only bound by what can be stored."""
        account = balance.account
        if abs(account.cash + self.amount) >= MOST_CASH or abs(account.settled + self.amount) >= MOST_CASH:
            sentence = f"An account holds less than {to_text(MOST_CASH)}."
            return Refused(sentence, code="balance_too_large", field="amount")
        if self.kind is MovementKind.DEPOSIT and account.status is AccountStatus.CLOSED:
            return Refused("The account is closed.", code="account_closed")
        if self.kind is MovementKind.WITHDRAWAL:
            return self._no_withdrawal(balance)
        return None

    def _no_withdrawal(self, balance: Balance) -> HubError | None:
        """A closed account's owner may have what is left; who is restricted or halted takes nothing."""
        account = balance.account
        if account.trading_state is TradingState.HALTED:
            return Refused("The account is halted.", code="account_halted")
        if account.status is AccountStatus.RESTRICTED:
            return Refused("The account may only close positions.", code="account_restricted")
        if -self.amount <= balance.withdrawable:
            return None
        sentence = (
            f"At most {to_text(balance.withdrawable)} can be withdrawn: of {to_text(account.settled)} "
            f"that are settled, {to_text(-balance.unsettled_debits)} are still to be paid for trades and "
            f"{to_text(account.held)} are held for open orders."
        )
        return Refused(sentence, code="insufficient_withdrawable", field="amount")


@dataclass(frozen=True)
class Settled:
    """A trade whose settlement day has come."""

    trade_id: UUID
    account_id: UUID
    symbol: str
    net_cash: Decimal


def settled_until(market_time: datetime) -> date:
    """The last day whose trades are settled now."""
    return (market_time - SETTLES_AFTER).date()
