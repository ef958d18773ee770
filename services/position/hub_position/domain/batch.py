"""One transaction's working set: locked rows go in, facts are booked, changed rows and postings come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_position.domain import ledger
from hub_position.domain.account import Account
from hub_position.domain.hold import Hold
from hub_position.domain.position import (
    Booked,
    ChangeKind,
    Effect,
    Holding,
    Position,
    apply,
    change_kind,
    fold,
)
from hub_position.domain.trade import Side, Trade

ZERO = Decimal(0)
PositionKey = tuple[UUID, str]


@dataclass(frozen=True)
class Ending:
    """An order reached a final state after this many executions."""

    order_id: UUID
    hold_id: UUID
    account_id: UUID
    symbol: str
    final_quantity: Decimal
    final_count: int


@dataclass(frozen=True)
class PositionChange:
    kind: ChangeKind
    position: Position
    trade_id: UUID | None


@dataclass(frozen=True)
class Entry:
    """A newly booked trade."""

    trade: Trade
    effect: Effect
    position_id: UUID


class Batch:
    def __init__(
        self,
        *,
        accounts: Mapping[UUID, Account],
        positions: Mapping[PositionKey, Position],
        holds: Mapping[UUID, Hold],
        histories: Mapping[PositionKey, Sequence[Booked]],
        new_id: Callable[[], UUID],
        now: datetime,
    ) -> None:
        """`histories` has every trade of each position that a late trade is about to be booked to."""
        self.accounts = dict(accounts)
        self.positions = dict(positions)
        self.holds = dict(holds)
        self.entries: list[Entry] = []
        self.restated: dict[UUID, Booked] = {}
        self.postings: list[ledger.Posting] = []
        self.changes: list[PositionChange] = []
        self.changed_accounts: set[UUID] = set()
        self.changed_positions: set[PositionKey] = set()
        self.changed_holds: set[UUID] = set()
        self._histories = {key: list(history) for key, history in histories.items()}
        self._new_id = new_id
        self._now = now

    def book(self, trade: Trade) -> None:
        """A trade that was not booked before."""
        self._shrink(trade.hold_id, trade.account_id, trade.symbol, lambda hold: hold.booked(trade.quantity))
        key = (trade.account_id, trade.symbol)
        before = self.positions.get(key) or self._new_position(trade)
        after, effect = self._folded(key, before, trade)
        position = before.after(trade, after, self._now)
        self.positions[key] = position
        self.changed_positions.add(key)
        self.entries.append(Entry(trade, effect, position.position_id))
        self.postings += ledger.of_trade(trade, effect)
        self.changes.append(PositionChange(change_kind(before, after), position, trade.trade_id))
        account = self.accounts[trade.account_id]
        self.accounts[trade.account_id] = replace(account, unsettled=account.unsettled + trade.net_cash)
        self.changed_accounts.add(trade.account_id)

    def end(self, ending: Ending) -> None:
        """An order's final state. It may come before the executions it counts."""
        self._shrink(
            ending.hold_id,
            ending.account_id,
            ending.symbol,
            lambda hold: hold.ended(final_quantity=ending.final_quantity, final_count=ending.final_count),
        )

    def release(self, hold: Hold) -> None:
        """A hold whose order never will exist. One that an order has vouched for stays."""
        if not hold.closed and not hold.confirmed:
            self._shrink(hold.hold_id, hold.account_id, hold.symbol, Hold.released)

    def finish(self) -> None:
        """Counts a version for every account and every position that changed without a trade."""
        traded = {change.position.position_id for change in self.changes}
        for key in sorted(self.changed_positions):
            position = self.positions[key]
            if position.position_id not in traded:
                position = replace(position, updated_at=self._now, version=position.version + 1)
                self.positions[key] = position
                self.changes.append(PositionChange(ChangeKind.UPDATED, position, None))
        for account_id in self.changed_accounts:
            account = self.accounts[account_id]
            self.accounts[account_id] = replace(account, version=account.version + 1)

    def _folded(self, key: PositionKey, before: Position, trade: Trade) -> tuple[Holding, Effect]:
        if not before.is_late(trade):
            after, effect = apply(before.holding, trade)
            if key in self._histories:
                self._histories[key].append(Booked(trade, effect))
            return after, effect
        history = self._histories[key]
        after, refolded = fold([*(booked.trade for booked in history), trade])
        effect = self._restate(history, refolded, trade)
        self._histories[key] = refolded
        self.postings += ledger.of_refold(trade, effect, before=before.holding, after=after)
        return after, effect

    def _restate(self, history: Sequence[Booked], refolded: Sequence[Booked], late: Trade) -> Effect:
        """Notes every trade whose effect is another one now, and answers the late trade's own."""
        written = {booked.trade.trade_id: booked.effect for booked in history}
        own = None
        for booked in refolded:
            if booked.trade.trade_id == late.trade_id:
                own = booked.effect
            elif written[booked.trade.trade_id] != booked.effect:
                self.restated[booked.trade.trade_id] = booked
        if own is None:
            raise AssertionError("the late trade is not in its own fold")
        return own

    def _new_position(self, trade: Trade) -> Position:
        return Position(
            position_id=self._new_id(),
            account_id=trade.account_id,
            symbol=trade.symbol,
            opened_at=trade.executed_at,
            updated_at=self._now,
        )

    def _shrink(self, hold_id: UUID, account_id: UUID, symbol: str, change: Callable[[Hold], Hold]) -> None:
        before = self.holds.get(hold_id)
        if before is None or before.account_id != account_id or before.symbol != symbol:
            return  # facts are booked with or without a hold
        after = change(before)
        if after == before:
            return
        self.holds[hold_id] = after
        self.changed_holds.add(hold_id)
        freed = before.remaining - after.remaining
        if not freed:
            return
        if before.side is Side.BUY:
            account = self.accounts[account_id]
            self.accounts[account_id] = replace(account, held=account.held - freed)
            self.changed_accounts.add(account_id)
        else:
            position = self.positions[(account_id, symbol)]
            self.positions[(account_id, symbol)] = replace(position, held=position.held - freed)
            self.changed_positions.add((account_id, symbol))
