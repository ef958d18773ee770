"""The trigger's memory against a model that goes through all orders for every quote, also after a restart:
whatever comes in whatever order, both say the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from hub_order.domain import Order, Side, Status
from hub_order.resting import RestingOrders, units
from hub_order.resting.entry import percent_of, price_of
from tests.order import build

MOMENT = timedelta(milliseconds=10)
PRICES = st.integers(900, 1100).map(lambda number: Decimal(number) / 10)
TRAILS = st.integers(1, 60).map(lambda number: Decimal(number) / 10)
SIDES = st.sampled_from(Side)
TERMS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    PRICES.map(lambda price: {"limit_price": price}),
    PRICES.map(lambda price: {"stop_price": price}),
    st.tuples(PRICES, PRICES).map(lambda both: {"stop_price": both[0], "limit_price": both[1]}),
    TRAILS.map(lambda trail: {"trail_amount": trail}),
    TRAILS.map(lambda trail: {"trail_percent": trail}),
)


@dataclass
class Modelled:
    """An order as the rules of its life say it, one at a time."""

    order: Order
    mark: Decimal | None = None
    reached: Decimal | None = None
    handed: bool = False
    tried: int = 0

    @property
    def trailing(self) -> bool:
        order = self.order
        return order.awaits_stop and (order.trail_amount or order.trail_percent) is not None

    @property
    def stop(self) -> Decimal | None:
        if not self.trailing:
            return self.order.stop_price
        if self.mark is None:
            return None
        trail = self.order.trail_of(self.mark)
        return self.mark - trail if self.order.side is Side.SELL else self.mark + trail

    def meet(self, bid: Decimal, ask: Decimal, high_bid: Decimal, low_ask: Decimal) -> bool:
        """Whether it is to be handed over."""
        if self.order.awaits_stop:
            sells = self.order.side is Side.SELL
            self._test(low_ask if sells else high_bid)
            if self.trailing:
                self.see(high_bid, low_ask)
                self._test(ask if sells else bid)
        return self._fits(high_bid, low_ask)

    def see(self, high_bid: Decimal, low_ask: Decimal) -> None:
        """Moves the mark; of one that was handed over too, whose answer may never come."""
        best = high_bid if self.order.side is Side.SELL else low_ask
        known = best if self.mark is None else self.mark
        self.mark = max(known, best) if self.order.side is Side.SELL else min(known, best)

    def _test(self, price: Decimal) -> None:
        stop = self.stop
        if self.reached is not None or stop is None:
            return
        if price <= stop if self.order.side is Side.SELL else price >= stop:
            self.reached = stop

    def _fits(self, high_bid: Decimal, low_ask: Decimal) -> bool:
        order = self.order
        if self.reached is not None or order.at_market:
            return True
        if order.awaits_stop or order.limit_price is None:
            return False
        return high_bid >= order.limit_price if order.side is Side.SELL else low_ask <= order.limit_price


@dataclass
class Kept:
    """What the database keeps of the stretches."""

    rows: dict[tuple[str, datetime], tuple[int, int]] = field(default_factory=dict)

    def save(self, memory: RestingOrders) -> None:
        unsaved = memory.unsaved()
        for key in [key for key in self.rows if key[0] in unsaved.ended]:
            del self.rows[key]
        for symbol, (starts_at, high, low) in unsaved.changed:
            known = self.rows.get((symbol, starts_at), (high, low))
            self.rows[symbol, starts_at] = max(known[0], high), min(known[1], low)
        for gone in unsaved.gone:
            self.rows.pop(gone, None)


class Resting(RuleBasedStateMachine):
    orders: Bundle[UUID] = Bundle("orders")

    @initialize()
    def start(self) -> None:
        self.memory = RestingOrders(hand_again_s=1000)
        self.model: dict[UUID, Modelled] = {}
        self.kept = Kept()
        self.seq, self.time = 1, build.NOW
        self.quote = (Decimal(100), Decimal(101))

    def _meet(self, high_bid: Decimal, low_ask: Decimal) -> None:
        bid, ask = self.quote
        entries = self.memory.crossed(
            "AAPL",
            units(bid),
            units(ask),
            high_bid=units(high_bid),
            low_ask=units(low_ask),
            position=(1, self.seq),
        )
        expected = {}
        for order_id, each in self.model.items():
            if each.handed:
                each.see(high_bid, low_ask)
            elif each.meet(bid, ask, high_bid, low_ask) and each.tried != self.seq:
                each.handed, each.tried = True, self.seq
                expected[order_id] = each.reached
        assert {entry.order_id: entry.stop_price for entry in entries} == expected

    def _put(self, order: Order) -> None:
        if self.memory.put(build.entry_of(order), now=self.time):
            self._meet(*self.quote)

    @rule(target=orders, side=SIDES, terms=TERMS)
    def order_comes(self, side: Side, terms: dict[str, Any]) -> UUID:
        return self._come(side, terms)

    def _come(self, side: Side, terms: dict[str, Any]) -> UUID:
        self.time += MOMENT
        order = build.resting(side=side, accepted_at=self.time, protection_price=None, **terms)
        self.model[order.order_id] = Modelled(order)
        self._put(order)
        return order.order_id

    @rule(bid=PRICES, spread=st.integers(0, 20), up=st.integers(0, 30), down=st.integers(0, 30))
    def quote_comes(self, bid: Decimal, spread: int, up: int, down: int) -> None:
        self.time += MOMENT
        self.seq += 1
        self.quote = bid, bid + Decimal(spread) / 10
        self._meet(bid + Decimal(up) / 10, self.quote[1] - Decimal(down) / 10)

    @rule(order_id=consumes(orders))
    def order_ends(self, order_id: UUID) -> None:
        self._end(order_id)

    def _end(self, order_id: UUID) -> None:
        order = self.model.pop(order_id).order
        self._put(replace(order, status=Status.CANCELLED, version=order.version + 1))

    @rule(order_id=orders)
    def row_changes(self, order_id: UUID) -> None:
        """As when it was filled in part; one whose stop was reached says so from then on."""
        each = self.model[order_id]
        changes: dict[str, Any] = {"version": each.order.version + 1}
        if each.handed and each.reached is not None:
            changes |= {"triggered_at": self.time, "stop_price": each.reached}
            each.reached = None
        each.order, each.handed = replace(each.order, **changes), False
        self._put(each.order)

    @rule(target=orders, order_id=consumes(orders), terms=TERMS)
    def order_is_replaced(self, order_id: UUID, terms: dict[str, Any]) -> UUID:
        side = self.model[order_id].order.side
        self._end(order_id)
        return self._come(side, terms)

    @rule(order_id=orders)
    def price_has_gone(self, order_id: UUID) -> None:
        """An order that was handed over waits in its place again."""
        if self.model[order_id].handed:
            self.memory.take_back("AAPL")
            for each in self.model.values():
                if each.handed:
                    each.handed, each.tried = False, 0

    @rule()
    def another_trigger_takes_over(self) -> None:
        """It knows the rows, what was saved of the prices, and the quote of now."""
        self.time += MOMENT
        self.kept.save(self.memory)
        self.memory = RestingOrders(hand_again_s=1000)
        for (symbol, starts_at), (high, low) in sorted(self.kept.rows.items()):
            self.memory.restore(symbol, (starts_at, high, low), now=self.time)
        for each in self.model.values():
            each.handed, each.reached, each.tried = False, None, 0
            self.memory.put(build.entry_of(each.order), now=self.time)
        self.memory.restored()
        self._meet(*self.quote)

    @rule()
    def prices_are_saved(self) -> None:
        self.kept.save(self.memory)

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "model"):
            assert set(self.memory.order_ids()) == set(self.model)
            assert self.memory.symbols() in (["AAPL"], []) or not self.model


@pytest.mark.timeout(600)
def test_memory_and_model_say_the_same() -> None:
    run_state_machine_as_test(
        Resting, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


def test_a_per_cent_is_rounded_as_money_is() -> None:
    for percent in ("2.5", "0.3333", "99.99999999", "0.00000001"):
        order = build.resting(side=Side.SELL, trail_percent=percent)
        for mark in ("1", "0.00000001", "123.45678901", "99999999.00000005", "3", "0.00000003"):
            trail = percent_of(units(Decimal(mark)), units(Decimal(percent)))
            assert price_of(trail) == order.trail_of(Decimal(mark))
