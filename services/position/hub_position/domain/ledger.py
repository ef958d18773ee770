"""Double entry: every transaction's postings add up to zero. Postings are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from hub_position.domain.actions import ActionEffect, CorporateAction
from hub_position.domain.cash import Movement, Settled
from hub_position.domain.position import Effect, Holding
from hub_position.domain.trade import Trade

# Transaction ids are functions of what is posted, so that nothing can be posted twice.
NAMESPACE = UUID("5b1f6c1e-6d0c-5a0e-9f43-0b6f0a2c7d11")


class Kind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRADE = "trade"
    SETTLEMENT = "settlement"
    ADJUSTMENT = "adjustment"
    DIVIDEND = "dividend"
    SPLIT = "split"


class LedgerAccount(StrEnum):
    EXTERNAL = "external"
    CASH_SETTLED = "cash_settled"
    CASH_UNSETTLED = "cash_unsettled"
    SECURITIES = "securities"
    REALISED_PNL = "realised_pnl"
    FEES = "fees"
    DIVIDENDS = "dividends"


@dataclass(frozen=True)
class Posting:
    transaction_id: UUID
    account_id: UUID
    kind: Kind
    ledger_account: LedgerAccount
    amount: Decimal
    symbol: str = ""
    trade_id: UUID | None = None
    settles_on: date | None = None


@dataclass(frozen=True)
class SharePosting:
    """Shares that a position has more or less without a trade; none of a trade that moves no money, which has
    no other posting."""

    transaction_id: UUID
    account_id: UUID
    kind: Kind
    symbol: str
    trade_id: UUID | None = None
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    ratio: Decimal | None = None


@dataclass(frozen=True)
class PostedLine:
    posting_id: int
    posting: Posting
    posted_at: datetime


@dataclass(frozen=True)
class LedgerPage:
    """The newest lines, and the totals of all, as of one moment."""

    totals: Mapping[LedgerAccount, Decimal]
    lines: Sequence[PostedLine]


def opening_id(account_id: UUID) -> UUID:
    """The transaction that an account begins with."""
    return uuid5(NAMESPACE, f"opening:{account_id}")


def deposit(account_id: UUID, amount: Decimal) -> list[Posting]:
    """The paper money an account starts with."""
    transaction_id = opening_id(account_id)
    lines = {LedgerAccount.EXTERNAL: -amount, LedgerAccount.CASH_SETTLED: amount}
    return [
        Posting(transaction_id, account_id, Kind.DEPOSIT, line, value)
        for line, value in lines.items()
        if value
    ]


def of_movement(movement: Movement) -> list[Posting]:
    """From outside into cash, or back."""
    lines = {LedgerAccount.EXTERNAL: -movement.amount, LedgerAccount.CASH_SETTLED: movement.amount}
    return [
        Posting(movement.movement_id, movement.account_id, Kind(movement.kind.value), line, amount)
        for line, amount in lines.items()
    ]


def of_settlement(settled: Settled) -> list[Posting]:
    """What a trade brought or cost is settled cash from now on."""
    lines = {
        LedgerAccount.CASH_UNSETTLED: -settled.net_cash,
        LedgerAccount.CASH_SETTLED: settled.net_cash,
    }
    return [
        Posting(
            transaction_id=uuid5(NAMESPACE, f"settlement:{settled.trade_id}"),
            account_id=settled.account_id,
            kind=Kind.SETTLEMENT,
            ledger_account=line,
            amount=amount,
            symbol=settled.symbol,
            trade_id=settled.trade_id,
        )
        for line, amount in lines.items()
        if amount
    ]


def of_trade(trade: Trade, effect: Effect) -> list[Posting]:
    """Cash against securities at cost, realised profit (a profit is negative, as income is) and fees."""
    lines = {
        LedgerAccount.CASH_UNSETTLED: trade.net_cash,
        LedgerAccount.SECURITIES: effect.cost,
        LedgerAccount.REALISED_PNL: -effect.realised,
        LedgerAccount.FEES: trade.fee,
    }
    return _postings(trade, trade.trade_id, Kind.TRADE, lines)


@dataclass(frozen=True)
class More:
    """What a fold pays more than the one before it, in dividends and for parts of shares."""

    dividends: Decimal
    lieu: Decimal

    @property
    def cash(self) -> Decimal:
        return self.dividends + self.lieu


def of_refold(late: Trade, effect: Effect, *, before: Holding, after: Holding, more: More) -> list[Posting]:
    """What a late trade changed in the facts after it: the new fold less the old one and its own part."""
    lines = _difference(effect.cost, effect.realised, before=before, after=after, more=more)
    return _postings(late, refold_id(late), Kind.ADJUSTMENT, lines)


def of_action(action: CorporateAction, effect: ActionEffect, account_id: UUID) -> list[Posting]:
    """A dividend's income is negative, as a profit is. A split moves money only where nothing is left, or
    where a part of a share is paid out."""
    lines = {
        LedgerAccount.CASH_SETTLED: effect.cash + effect.lieu,
        LedgerAccount.DIVIDENDS: -effect.cash,
        LedgerAccount.SECURITIES: -effect.cost_removed,
        LedgerAccount.REALISED_PNL: -effect.realised,
    }
    kind = Kind(action.type.value.lower())
    return _of_action(action, account_id, action_id(action, account_id), kind, lines)


def of_late_action(
    late: CorporateAction,
    account_id: UUID,
    effects: Iterable[ActionEffect],
    *,
    before: Holding,
    after: Holding,
    more: More,
) -> list[Posting]:
    """What actions that came late changed in the facts after them, beside what they did themselves: of the
    cost, and of what others paid. The first of them gives the name."""
    cost = realised = Decimal(0)
    for effect in effects:
        cost, realised = cost - effect.cost_removed, realised + effect.realised
    lines = _difference(cost, realised, before=before, after=after, more=more)
    return _of_action(late, account_id, late_action_id(late, account_id), Kind.ADJUSTMENT, lines)


def shares_of_trade(trade: Trade) -> SharePosting:
    """Of one that moves no money."""
    return SharePosting(trade.trade_id, trade.account_id, Kind.TRADE, trade.symbol, trade.trade_id)


def shares_of_refold(late: Trade, *, before: Holding, after: Holding) -> list[SharePosting]:
    """What the splits after a late trade make of its shares, beside these."""
    expected, found = before.quantity + late.shares, after.quantity
    if expected == found:
        return []
    about = (late.account_id, Kind.ADJUSTMENT, late.symbol, late.trade_id)
    return [SharePosting(refold_id(late), *about, expected, found)]


def shares_of_action(action: CorporateAction, effect: ActionEffect, account_id: UUID) -> list[SharePosting]:
    before, after = effect.quantity_before, effect.quantity_after
    if before == after:
        return []
    name, ratio = action_id(action, account_id), action.number
    return [SharePosting(name, account_id, Kind.SPLIT, action.symbol, None, before, after, ratio)]


def shares_of_late_action(
    late: CorporateAction,
    account_id: UUID,
    effects: Iterable[ActionEffect],
    *,
    before: Holding,
    after: Holding,
) -> list[SharePosting]:
    """What splits after those that came late do otherwise now."""
    own = sum((effect.quantity_after - effect.quantity_before for effect in effects), Decimal(0))
    expected, found = before.quantity + own, after.quantity
    if expected == found:
        return []
    about = (account_id, Kind.ADJUSTMENT, late.symbol, None)
    return [SharePosting(late_action_id(late, account_id), *about, expected, found)]


def refold_id(late: Trade) -> UUID:
    return uuid5(NAMESPACE, f"refold:{late.trade_id}")


def action_id(action: CorporateAction, account_id: UUID) -> UUID:
    return uuid5(NAMESPACE, f"action:{action.action_id}:{account_id}")


def late_action_id(late: CorporateAction, account_id: UUID) -> UUID:
    return uuid5(NAMESPACE, f"refold:{late.action_id}:{account_id}")


def _difference(
    cost: Decimal, realised: Decimal, *, before: Holding, after: Holding, more: More
) -> dict[LedgerAccount, Decimal]:
    return {
        LedgerAccount.SECURITIES: after.total_cost - before.total_cost - cost,
        LedgerAccount.REALISED_PNL: before.realised_pnl - after.realised_pnl + realised,
        LedgerAccount.CASH_SETTLED: more.cash,
        LedgerAccount.DIVIDENDS: -more.dividends,
    }


def _of_action(
    action: CorporateAction,
    account_id: UUID,
    transaction_id: UUID,
    kind: Kind,
    lines: dict[LedgerAccount, Decimal],
) -> list[Posting]:
    return [
        Posting(
            transaction_id=transaction_id,
            account_id=account_id,
            kind=kind,
            ledger_account=line,
            amount=amount,
            symbol=action.symbol,
        )
        for line, amount in lines.items()
        if amount
    ]


def _postings(
    trade: Trade, transaction_id: UUID, kind: Kind, lines: dict[LedgerAccount, Decimal]
) -> list[Posting]:
    return [
        Posting(
            transaction_id=transaction_id,
            account_id=trade.account_id,
            kind=kind,
            ledger_account=line,
            amount=amount,
            symbol=trade.symbol,
            trade_id=trade.trade_id,
            settles_on=trade.settles_on if line is LedgerAccount.CASH_UNSETTLED else None,
        )
        for line, amount in lines.items()
        if amount
    ]
