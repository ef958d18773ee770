"""The trigger's memory: exactly the orders a quote fills come out, once, until their row changes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from hub_order.domain import Order, Quote, Side, Status
from hub_order.resting import Hand, RestingOrders
from hub_order.venue import FillModel
from tests.order import build

PRICES = st.integers(90, 110).map(str)


def resting(**fields: object) -> Order:
    return build.order(status=Status.PROCESSING, rested=True, version=2, **fields)


def crossed(memory: RestingOrders, quote: Quote, now: float = 0.0) -> list[Hand]:
    return memory.crossed(quote, low_ask=quote.ask, high_bid=quote.bid, now=now)


def ids(hands: list[Hand]) -> set[UUID]:
    return {hand.order.order_id for hand in hands}


@given(
    orders=st.lists(st.tuples(st.sampled_from(Side), st.one_of(st.none(), PRICES)), max_size=20),
    quotes=st.lists(st.tuples(PRICES, st.integers(0, 3)), max_size=10),
)
def test_it_hands_over_what_the_venue_would_fill(
    orders: list[tuple[Side, str | None]], quotes: list[tuple[str, int]]
) -> None:
    memory, venue = RestingOrders(), FillModel()
    waiting = {
        order.order_id: order
        for side, price in orders
        for order in [resting(side=side, limit_price=price, protection_price=None)]
    }
    for order in waiting.values():
        assert memory.put(order)
    for seq, (bid, spread) in enumerate(quotes):
        quote = build.quote(bid=bid, ask=str(int(bid) + spread), seq=seq)
        filled = {order_id for order_id, order in waiting.items() if venue.fill(order, quote)}
        assert ids(crossed(memory, quote)) == filled
        for order_id in filled:
            del waiting[order_id]


def test_the_best_price_between_two_quotes_counts() -> None:
    memory = RestingOrders()
    buy, sell = resting(limit_price="95"), resting(limit_price="105", side=Side.SELL)
    memory.put(buy)
    memory.put(sell)
    quote = build.quote(bid="99", ask="100")
    hands = memory.crossed(quote, low_ask=Decimal(94), high_bid=Decimal(106), now=0)
    prices = {hand.order.order_id: (hand.quote.bid, hand.quote.ask) for hand in hands}
    assert prices == {buy.order_id: (Decimal(94), Decimal(94)), sell.order_id: (Decimal(106), Decimal(106))}
    assert {(hand.quote.epoch, hand.quote.seq) for hand in hands} == {(quote.epoch, quote.seq)}


def test_an_order_of_another_symbol_stays() -> None:
    memory = RestingOrders()
    memory.put(resting(limit_price="100"))
    assert crossed(memory, build.quote(symbol="MSFT", ask="50")) == []


def test_an_order_leaves_when_its_row_says_so() -> None:
    memory, order = RestingOrders(), resting(limit_price="100")
    memory.put(order)
    memory.put(replace(order, status=Status.CANCELLED, version=3))
    assert len(memory) == 0
    assert crossed(memory, build.quote()) == []


def test_an_older_row_changes_nothing() -> None:
    memory, order = RestingOrders(), resting(limit_price="100")
    memory.put(replace(order, version=3, limit_price=Decimal(90)))
    assert not memory.put(order)
    assert crossed(memory, build.quote()) == []


def test_what_was_handed_over_comes_again_later_and_later_until_its_row_changes() -> None:
    memory, order = RestingOrders(hand_again_s=5), resting(limit_price="100")
    memory.put(order)
    assert ids(crossed(memory, build.quote(), now=0)) == {order.order_id}
    assert crossed(memory, build.quote(seq=2), now=1) == []
    assert memory.unanswered(now=4.9) == []
    assert memory.unanswered(now=5) == [order]
    assert memory.again(order, build.quote(seq=3)) == Hand(order, build.quote(seq=3))
    assert memory.unanswered(now=14.9) == []
    assert memory.unanswered(now=15) == [order]
    memory.put(replace(order, status=Status.EXECUTED, version=3))
    assert memory.unanswered(now=1000) == []


def test_an_order_whose_price_has_gone_waits_for_the_next() -> None:
    memory, order = RestingOrders(hand_again_s=5), resting(limit_price="100")
    memory.put(order)
    crossed(memory, build.quote(), now=0)
    assert memory.unanswered(now=5) == [order]
    assert memory.again(order, build.quote(ask="101")) is None
    assert ids(crossed(memory, build.quote(seq=3), now=6)) == {order.order_id}


def test_what_is_no_longer_there_is_forgotten() -> None:
    memory = RestingOrders()
    kept, gone = resting(limit_price="100"), resting(limit_price="100")
    memory.put(kept)
    memory.put(gone)
    memory.keep_only({kept.order_id})
    assert ids(crossed(memory, build.quote())) == {kept.order_id}


def test_what_was_handed_over_before_a_pause_of_trading_meets_the_first_price_after_it() -> None:
    memory = RestingOrders()
    mine, other = resting(limit_price="95"), resting(limit_price="95", symbol="MSFT")
    for order in (mine, other):
        memory.put(order)
        assert ids(crossed(memory, build.quote(ask="94", symbol=order.symbol))) == {order.order_id}
    assert memory.symbols() == {"AAPL", "MSFT"}
    memory.take_back("AAPL")
    assert crossed(memory, build.quote(ask="94", symbol="MSFT")) == []
    assert ids(crossed(memory, build.quote(ask="94"))) == {mine.order_id}
    assert crossed(memory, build.quote(ask="94")) == []
