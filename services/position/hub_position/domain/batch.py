"""One transaction's working set: locked rows go in, facts are booked, changed rows and postings come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_position.domain import ledger
from hub_position.domain.account import BOOKS, OVER_FILL, Account, StateChange, restricted
from hub_position.domain.actions import (
    NOTHING,
    ActionEffect,
    CorporateAction,
    act,
    dividends,
    last_split,
    lieu,
    split_factor,
)
from hub_position.domain.cash import ADJUSTED, Movement, MovementKind, Settled
from hub_position.domain.changed import changed
from hub_position.domain.histories import Histories
from hub_position.domain.hold import Drawn, Hold, Terms, made_late
from hub_position.domain.position import (
    Booked,
    ChangeKind,
    Effect,
    Holding,
    Position,
    PositionKey,
    apply,
    change_kind,
)
from hub_position.domain.trade import Side, Trade

ZERO = Decimal(0)


@dataclass(frozen=True)
class Ending:
    """An order reached a final state after this many executions."""

    hold: Terms
    final_quantity: Decimal
    final_count: int

    @property
    def account_id(self) -> UUID:
        return self.hold.account_id


@dataclass(frozen=True)
class Replacement:
    """An order ended, and another one came in its place, which needs a hold of these terms."""

    ending: Ending
    successor: Terms

    @property
    def account_id(self) -> UUID:
        return self.successor.account_id


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
        histories: Histories | None = None,
        new_id: Callable[[], UUID],
        now: datetime,
    ) -> None:
        """`histories` has every fact of each position that a late fact is about to be booked to."""
        self.accounts = dict(accounts)
        self.positions = dict(positions)
        self.holds = dict(holds)
        self.entries: list[Entry] = []
        self.postings: list[ledger.Posting] = []
        self.share_postings: list[ledger.SharePosting] = []
        self.changes: list[PositionChange] = []
        self.changed_accounts: set[UUID] = set()
        self.changed_positions: set[PositionKey] = set()
        self.changed_holds: set[UUID] = set()
        self.made_holds: list[UUID] = []
        self.narrowed_holds: set[UUID] = set()
        self.states: list[StateChange] = []
        self.kinds: dict[PositionKey, ChangeKind] = {}
        self.silent: set[PositionKey] = set()
        """Positions to which an action did nothing, but which know of it now."""
        self.histories = histories or Histories({}, {}, {})
        self._new_id = new_id
        self._now = now

    def book(self, trade: Trade) -> None:
        """A trade that was not booked before. One beyond what was ordered, or beyond the holding, is booked
        like any other; the first restricts the account at once, the second if it stays so."""
        hold = self._change(trade.hold_id, trade, lambda hold: hold.booked(hold.draws(trade)))
        if hold is not None and hold.fee_rate is not None:
            trade = trade.charged(hold.fee_rate)
        key = (trade.account_id, trade.symbol)
        before = self._ready(key, trade)
        after, effect = self._folded(key, before, trade)
        position = before.after(trade, after, self._now)
        self.positions[key] = position
        self.changed_positions.add(key)
        self.entries.append(Entry(trade, effect, position.position_id))
        lines = ledger.of_trade(trade, effect)
        self.postings += lines
        if not lines:
            self.share_postings.append(ledger.shares_of_trade(trade))
        self.changes.append(PositionChange(change_kind(before, after), position, trade.trade_id))
        account = self.accounts[trade.account_id]
        self.accounts[trade.account_id] = changed(account, unsettled=account.unsettled + trade.net_cash)
        self.changed_accounts.add(trade.account_id)
        if hold is not None and hold.overfilled:
            self.restrict(trade.account_id, OVER_FILL)

    def make(self, terms: Terms, drawn: Drawn) -> None:
        """The hold of an order that exists, where it is missing; it sets aside what it needs, whatever there
        is. Shares of what the account never had cannot be set aside."""
        hold = made_late(terms, drawn, self._now)
        if terms.side is Side.SELL and (terms.account_id, terms.symbol) not in self.positions:
            hold = hold.released()
        self.made_holds.append(hold.hold_id)
        self.holds[hold.hold_id] = hold
        self.changed_holds.add(hold.hold_id)
        self._set_aside(hold, hold.remaining)
        if hold.overfilled:
            self.restrict(hold.account_id, OVER_FILL)

    def end(self, ending: Ending) -> None:
        """An order's final state. It may come before the executions it counts."""
        self._change(
            ending.hold.hold_id,
            ending.hold,
            lambda hold: hold.ended(final_quantity=ending.final_quantity, final_count=ending.final_count),
        )

    def swap(self, replacement: Replacement) -> None:
        """What the old order cannot need any more is the new one's."""
        self.end(replacement.ending)
        terms = replacement.successor
        before = self.holds.get(terms.hold_id)
        after = self._change(terms.hold_id, terms, lambda hold: hold.moved_in(terms.quantity))
        if after is None or before is None or after.quantity == before.quantity:
            return
        self.narrowed_holds.add(after.hold_id)
        if after.overfilled:
            self.restrict(after.account_id, OVER_FILL)

    def release(self, hold: Hold) -> None:
        """A hold whose order never will exist. One that an order has vouched for stays."""
        if not hold.closed and not hold.confirmed:
            self._change(hold.hold_id, hold, Hold.released)

    def move(self, movement: Movement) -> None:
        """Cash comes or goes. An adjustment that takes more than could be spent restricts the account."""
        account = self.accounts[movement.account_id]
        after = changed(account, settled=account.settled + movement.amount)
        self.accounts[movement.account_id] = after
        self.changed_accounts.add(movement.account_id)
        self.postings += ledger.of_movement(movement)
        if movement.kind is MovementKind.ADJUSTMENT and after.buying_power < 0:
            self.restrict(movement.account_id, ADJUSTED)

    def settle(self, settled: Settled) -> None:
        """The day of a trade has come."""
        account = self.accounts[settled.account_id]
        self.accounts[settled.account_id] = changed(
            account,
            settled=account.settled + settled.net_cash,
            unsettled=account.unsettled - settled.net_cash,
        )
        self.changed_accounts.add(settled.account_id)
        self.postings += ledger.of_settlement(settled)

    def set_state(self, account: Account, *, reason: str, actor: str) -> None:
        """What the account may do from now on."""
        before = self.accounts[account.account_id]
        self.accounts[account.account_id] = account
        self.changed_accounts.add(account.account_id)
        self.states.append(StateChange(before, account, reason, actor, self._now))

    def restrict(self, account_id: UUID, reason: str) -> None:
        """By a rule of the books. It changes nothing where the account is restricted or closed already."""
        before = self.accounts[account_id]
        after = restricted(before)
        if after != before:
            self.set_state(after, reason=reason, actor=BOOKS)

    def finish(self) -> None:
        """Counts a version for every account and every position that changed without a trade."""
        traded = {change.position.position_id for change in self.changes}
        for key in sorted(self.changed_positions):
            position = self.positions[key]
            if position.position_id not in traded and key not in self.silent:
                position = changed(position, updated_at=self._now, version=position.version + 1)
                self.positions[key] = position
                kind = self.kinds.get(key, ChangeKind.UPDATED)
                self.changes.append(PositionChange(kind, position, None))
        for account_id in self.changed_accounts:
            account = self.accounts[account_id]
            self.accounts[account_id] = changed(account, version=account.version + 1)

    def _ready(self, key: PositionKey, trade: Trade) -> Position:
        """The position as it is before the trade; a new one has no part in what was before it."""
        if key in self.positions:
            self.catch_up(key)
            return self.positions[key]
        self.histories.begin(key)
        return _told(self._new_position(trade), self.histories.actions(key))

    def _folded(self, key: PositionKey, before: Position, trade: Trade) -> tuple[Holding, Effect]:
        if not self.histories.is_late(before, key, trade):
            after, effect = apply(before.holding, trade)
            self.histories.add(key, Booked(trade, effect))
            return after, effect
        refold, effect = self.histories.insert(key, trade)
        after, more = refold.folded.holding, ledger.More(refold.more_dividends, refold.more_lieu)
        self.postings += ledger.of_refold(trade, effect, before=before.holding, after=after, more=more)
        self.share_postings += ledger.shares_of_refold(trade, before=before.holding, after=after)
        self._pay(trade.account_id, more.cash)
        return after, effect

    def catch_up(self, key: PositionKey) -> None:
        """Folds in what corporate actions are known of the instrument and not to the position, once."""
        before, actions = self.positions[key], self.histories.actions(key)
        if before.actions == len(actions):
            return
        if self.histories.known(key):
            after, done = self._refolded(key, before, actions)
        else:
            # The one that takes effect last, after all trades.
            after, effect = act(before.holding, actions[-1])
            self.histories.note(key, actions[-1], effect)
            done = {actions[-1].action_id: effect}
        for action in actions:
            if (effect := done.get(action.action_id, NOTHING)) != NOTHING:
                self.postings += ledger.of_action(action, effect, before.account_id)
                self.share_postings += ledger.shares_of_action(action, effect, before.account_id)
                self._pay(before.account_id, effect.cash + effect.lieu)
        negative = before.negative_from(after, self._now)
        position = _told(changed(before, holding=after, negative_since=negative), actions)
        self.positions[key] = position
        self.changed_positions.add(key)
        if any(effect.quantity_after != effect.quantity_before for effect in done.values()):
            self.kinds[key] = ChangeKind.SPLIT
        elif any(effect.cash for effect in done.values()):
            self.kinds.setdefault(key, ChangeKind.DIVIDEND)
        elif after == before.holding:
            self.silent.add(key)

    def _refolded(
        self, key: PositionKey, before: Position, actions: Sequence[CorporateAction]
    ) -> tuple[Holding, dict[UUID, ActionEffect]]:
        """The holding with all actions, and what those did that are new to it. What they change in the facts
        after them is a transaction of its own."""
        refold = self.histories.catch_up(key)
        after, effects = refold.folded.holding, refold.folded.effects
        new = [action for action in actions if action.action_id not in refold.before]
        new = [action for action in new if effects[action.action_id] != NOTHING]
        done = {action.action_id: effects[action.action_id] for action in new}
        if new:
            more = ledger.More(
                refold.more_dividends - dividends(done.values()), refold.more_lieu - lieu(done.values())
            )
            self.postings += ledger.of_late_action(
                new[0], before.account_id, done.values(), before=before.holding, after=after, more=more
            )
            self.share_postings += ledger.shares_of_late_action(
                new[0], before.account_id, done.values(), before=before.holding, after=after
            )
            self._pay(before.account_id, more.cash)
        return after, done

    def _pay(self, account_id: UUID, cash: Decimal) -> None:
        if cash:
            account = self.accounts[account_id]
            self.accounts[account_id] = changed(account, settled=account.settled + cash)
            self.changed_accounts.add(account_id)

    def _new_position(self, trade: Trade) -> Position:
        return Position(
            position_id=self._new_id(),
            account_id=trade.account_id,
            symbol=trade.symbol,
            opened_at=trade.executed_at,
            updated_at=self._now,
        )

    def _change(
        self, hold_id: UUID, about: Trade | Terms | Hold, change: Callable[[Hold], Hold]
    ) -> Hold | None:
        """The hold after it, if it is one of this account and symbol: facts count with or without a hold."""
        before = self.holds.get(hold_id)
        if before is None or (before.account_id, before.symbol) != (about.account_id, about.symbol):
            return None
        after = change(before)
        if after != before:
            self.holds[hold_id] = after
            self.changed_holds.add(hold_id)
            self._set_aside(after, after.remaining - before.remaining)
        return after

    def _set_aside(self, hold: Hold, more: Decimal) -> None:
        if not more:
            return
        if hold.side is Side.BUY:
            account = self.accounts[hold.account_id]
            self.accounts[hold.account_id] = changed(account, held=account.held + more)
            self.changed_accounts.add(hold.account_id)
        else:
            key = (hold.account_id, hold.symbol)
            self.silent.discard(key)
            self.positions[key] = changed(self.positions[key], held=self.positions[key].held + more)
            self.changed_positions.add(key)


def _told(position: Position, actions: Sequence[CorporateAction]) -> Position:
    """It knows of all these."""
    split = last_split(actions)
    if split is not None:
        position = changed(position, split_at=split.effective_at, split_ratio=split.number)
    return changed(position, actions=len(actions), split_factor=split_factor(actions))
