"""Splits and dividends in the fold of a position: whatever order facts come in, and what a holder earned."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_market_data.domain.actions import ActionType as HistoricType
from hub_market_data.domain.actions import Adjuster, Adjustment, Effect
from hub_market_data.history import Series, read_series
from hub_position.domain.account import Account, AccountStatus, TradingState
from hub_position.domain.actions import (
    ActionEffect,
    ActionType,
    CorporateAction,
    act,
    fold_with,
    folds_anew,
)
from hub_position.domain.batch import Batch
from hub_position.domain.histories import Histories
from hub_position.domain.ledger import LedgerAccount
from hub_position.domain.position import Booked, Holding, Position, PositionKey
from hub_position.domain.trade import Side, Trade
from hub_runtime import uuid7
from tests.position.test_fold import ACCOUNT, START, decimals, quantities, trade

ZERO = Decimal(0)
SYMBOL = "AAPL"
KEY = (ACCOUNT, SYMBOL)


def action(
    kind: ActionType, number: str | Decimal, minute: int, lieu_price: Decimal | None = None
) -> CorporateAction:
    effective_at = START + timedelta(minutes=minute)
    return CorporateAction(uuid4(), SYMBOL, kind, Decimal(number), effective_at, lieu_price)


trades = st.lists(
    st.builds(
        lambda side, quantity, price, minute: trade(side, str(quantity), str(price), minute),
        st.sampled_from(Side),
        st.one_of(quantities, st.just(Decimal("0.00000003"))),
        decimals("0.01", "5000", 4),
        st.integers(0, 6),
    ),
    max_size=8,
)
actions = st.lists(
    st.one_of(
        st.builds(
            action,
            st.just(ActionType.SPLIT),
            st.sampled_from(["4", "2", "0.33333333", "0.001", "1.5"]),
            st.integers(0, 7),
            st.sampled_from([None, Decimal("33.33"), Decimal("0.00000001"), Decimal("1234.56789")]),
        ),
        st.builds(action, st.just(ActionType.DIVIDEND), decimals("0.01", "3", 8), st.integers(0, 7)),
    ),
    max_size=4,
)


class Ledger:
    """What the statements of a booking write, kept in memory: each fact is booked as it comes."""

    def __init__(self) -> None:
        account = Account(
            *(ACCOUNT, ACCOUNT, "USD", AccountStatus.ACTIVE, TradingState.ACTIVE), ZERO, ZERO, ZERO, 1
        )
        self.account = account
        self.positions: dict[PositionKey, Position] = {}
        self.booked: dict[UUID, Booked] = {}
        self.effects: dict[UUID, ActionEffect] = {}
        self.known: list[CorporateAction] = []
        self.totals: dict[LedgerAccount, Decimal] = {}
        self.transactions: set[tuple[UUID, LedgerAccount]] = set()

    def book(self, fact: Trade | CorporateAction) -> None:
        """As the use cases do, with all the history each time or with none where none is needed."""
        if isinstance(fact, CorporateAction):
            self.known = sorted([*self.known, fact], key=lambda each: each.key)
        position = self.positions.get(KEY)
        anew = position is not None and self._needs_all(position, fact)
        batch = Batch(
            accounts={ACCOUNT: self.account},
            positions=self.positions,
            holds={},
            histories=Histories(
                {KEY: list(self.booked.values())} if anew else {},
                {SYMBOL: self.known},
                {KEY: self.effects} if anew else {},
            ),
            new_id=uuid7,
            now=START,
        )
        if isinstance(fact, Trade):
            batch.book(fact)
        elif position is not None:
            batch.catch_up(KEY)
        self._write(batch)

    def _needs_all(self, position: Position, fact: Trade | CorporateAction) -> bool:
        if isinstance(fact, Trade):
            return folds_anew(position, fact, self.known)
        traded = any(each.trade.market_time >= fact.effective_at for each in self.booked.values())
        return traded or self.known[-1] != fact

    def _write(self, batch: Batch) -> None:
        batch.finish()
        self.account, self.positions = batch.accounts[ACCOUNT], batch.positions
        self.booked |= {entry.trade.trade_id: Booked(entry.trade, entry.effect) for entry in batch.entries}
        self.booked |= batch.histories.restated
        self.effects |= {action_id: effect for (action_id, _), effect in batch.histories.acted.items()}
        sums: dict[UUID, Decimal] = {}
        for posting in batch.postings:
            once = (posting.transaction_id, posting.ledger_account)
            assert once not in self.transactions, "posted twice"
            self.transactions.add(once)
            sums[posting.transaction_id] = sums.get(posting.transaction_id, ZERO) + posting.amount
            before = self.totals.get(posting.ledger_account, ZERO)
            self.totals[posting.ledger_account] = before + posting.amount
        assert not any(sums.values()), "lopsided"


@given(trades, actions, st.randoms(use_true_random=False))
def test_in_whatever_order_facts_arrive_the_books_are_the_same(
    sold_and_bought: list[Trade], acted: list[CorporateAction], chance: random.Random
) -> None:
    facts: list[Trade | CorporateAction] = [*sold_and_bought, *acted]
    chance.shuffle(facts)
    ledger = Ledger()
    for fact in facts:
        ledger.book(fact)
    folded = fold_with(sold_and_bought, acted)
    position = ledger.positions.get(KEY)
    assert (position.holding if position else Holding()) == folded.holding
    assert ledger.booked == {each.trade.trade_id: each for each in folded.booked}
    written = {each: effect for each, effect in ledger.effects.items() if effect != ActionEffect()}
    assert written == {each: effect for each, effect in folded.effects.items() if effect != ActionEffect()}
    holding, paid = folded.holding, sum((fact.net_cash for fact in sold_and_bought), ZERO)
    assert ledger.account.cash == paid + folded.dividends + folded.lieu
    assert ledger.totals.get(LedgerAccount.DIVIDENDS, ZERO) == -folded.dividends
    assert ledger.totals.get(LedgerAccount.SECURITIES, ZERO) == holding.total_cost
    assert ledger.totals.get(LedgerAccount.REALISED_PNL, ZERO) == -holding.realised_pnl
    # Paid in, which is nothing, and what was earned are cash and what is held at its cost.
    assert ledger.account.cash + holding.total_cost == holding.realised_pnl + folded.dividends


def test_a_late_split_that_leaves_nothing_takes_its_cost_once() -> None:
    ledger = Ledger()
    ledger.book(trade(Side.BUY, "0.00000003", "5000", minute=1))
    ledger.book(trade(Side.BUY, "2", "5", minute=5))
    ledger.book(action(ActionType.SPLIT, "0.001", 3))
    holding = ledger.positions[KEY].holding
    assert (holding.quantity, holding.total_cost) == (Decimal(2), Decimal(10))
    assert ledger.totals[LedgerAccount.SECURITIES] == 10
    assert ledger.totals[LedgerAccount.REALISED_PNL] == Decimal("0.00015")


@given(trades, actions)
def test_a_split_keeps_cost_and_a_dividend_keeps_shares(
    sold_and_bought: list[Trade], acted: list[CorporateAction]
) -> None:
    holding = fold_with(sold_and_bought, ()).holding
    for each in acted:
        after, effect = act(holding, each)
        assert after.total_cost + effect.cost_removed == holding.total_cost
        assert effect.cost_removed == 0 or after.quantity == 0 or effect.fraction
        if each.type is ActionType.DIVIDEND:
            assert after == holding
        else:
            made = after.quantity + effect.fraction
            assert abs(made - holding.quantity * each.number) * 2 <= Decimal("1e-8")
            assert effect.cash == 0
            assert after.realised_pnl == holding.realised_pnl + effect.lieu - effect.cost_removed
            if each.lieu_price is None or made <= 0:
                assert effect.fraction == effect.lieu == 0
            else:
                assert after.quantity == int(after.quantity)
                assert 0 <= effect.fraction < 1
                assert abs(effect.lieu - effect.fraction * each.lieu_price) * 2 <= Decimal("1e-8")
        holding = after


def moment(day: date) -> datetime:
    return datetime.combine(day, time(14, 30), tzinfo=START.tzinfo)


def held_through(series: Series, shares: Decimal) -> tuple[Decimal, Decimal]:
    """Buys at the first close and holds to the last, reinvesting each dividend at the close of its ex-date;
    answers the shares then, and what they are worth."""
    bought = trade(Side.BUY, str(shares), str(series.bars[0].close))
    first = Trade(**{**vars(bought), "market_time": moment(series.bars[0].day)})
    known = [
        CorporateAction(
            uuid4(),
            SYMBOL,
            ActionType(each.type.value),
            each.ratio or each.amount or ZERO,
            moment(each.ex_date),
        )
        for each in series.actions
        if each.ex_date > series.bars[0].day
    ]
    closes = {moment(bar.day): bar.close for bar in series.bars}
    trades_made = [first]
    for number, each in enumerate(sorted(known, key=lambda each: each.key)):
        if each.type is ActionType.DIVIDEND:
            # Each one by the books: what it pays is what is held then, reinvested shares included.
            paid = fold_with(trades_made, known).effects[each.action_id].cash
            close = closes[each.effective_at]
            more = (paid / close).quantize(Decimal("1e-8"))
            again = trade(Side.BUY, str(more), str(close), minute=1 + number)
            trades_made.append(Trade(**{**vars(again), "market_time": each.effective_at}))
    folded = fold_with(trades_made, known)
    return folded.holding.quantity, folded.holding.quantity * series.bars[-1].close


@pytest.mark.parametrize("symbol", ["AAPL", "IBM", "MSFT"])
def test_our_books_reproduce_the_total_return_of_the_adjusted_close(symbol: str) -> None:
    """The rule of the adjusted series: a split makes a share more shares, and each dividend buys more of them
    at the close of the ex-date. 1,000 shares are held from the first day to the last, at raw prices, by our
    splits and dividends; what is rounded, at 8 places each time, comes to less than a millionth of a
    per cent."""
    series = read_series()[symbol]
    effects = [Effect(action=each, close=_close_of(series, each.ex_date)) for each in series.actions]
    assert {each.action.type for each in effects} >= {HistoricType.DIVIDEND}
    adjuster = Adjuster(effects, Adjustment.ALL)
    first, last = series.bars[0], series.bars[-1]
    expected = last.close / (first.close * adjuster.factor(first.day))
    shares = Decimal(1000)
    _, became = held_through(series, shares)
    ours = became / (shares * first.close)
    assert abs(ours / expected - 1) < Decimal("1e-8"), (ours, expected)
    # It is worth proving: without what came of the actions it would be another number.
    assert abs(last.close / first.close / expected - 1) > Decimal("0.1")


def _close_of(series: Series, day: date) -> Decimal:
    return next(bar.close for bar in series.bars if bar.day >= day)
