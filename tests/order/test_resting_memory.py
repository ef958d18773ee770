"""The trigger's memory: exactly the orders a quote fills come out, once, until their row changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID

import pytest

from hub_order.domain import LIMITED, STOPS, Order, OrderType, Quote, Side, Status
from hub_order.resting import Awaits, Entry, Hand, RestingOrders, hand, units
from tests.order import build

BUY, SELL = Side.BUY, Side.SELL


def D(texts: str) -> tuple[Decimal, ...]:  # noqa: N802 - short, because it is not the point
    return tuple(map(Decimal, texts.split()))


class Memory:
    """Takes orders and quotes as the rest of the service knows them."""

    def __init__(self) -> None:
        self.it = RestingOrders(hand_again_s=5)

    def put(self, *orders: Order) -> list[bool]:
        return [self.it.put(build.entry_of(order), now=order.accepted_at) for order in orders]

    def meet(
        self, bid: str, ask: str, seq: int = 1, *, now: float = 0.0, extended: bool = False, **fields: str
    ) -> list[Hand]:
        quote = build.quote(bid, ask, seq=seq, symbol=fields.pop("symbol", "AAPL"))
        high_bid, low_ask = Decimal(fields.pop("high_bid", bid)), Decimal(fields.pop("low_ask", ask))
        entries = self.it.crossed(
            quote.symbol,
            units(quote.bid),
            units(quote.ask),
            high_bid=units(high_bid),
            low_ask=units(low_ask),
            position=(quote.epoch, quote.seq),
            extended=extended,
        )
        self.it.handed_over(entries, now=now)
        return [hand(entry, quote, high_bid=high_bid, low_ask=low_ask) for entry in entries]

    def unanswered(self, now: float) -> list[Entry]:
        return self.it.unanswered(now=now)

    def again(self, entry: Entry, quote: Quote) -> bool:
        return self.it.again(entry, units(quote.bid), units(quote.ask), position=(quote.epoch, quote.seq))


@pytest.fixture
def memory() -> Memory:
    return Memory()


def ids(hands: list[Hand]) -> set[UUID]:
    return {each.order_id for each in hands}


def test_the_best_price_between_two_quotes_counts(memory: Memory) -> None:
    buy, sell = build.resting(limit_price="95"), build.resting(limit_price="105", side=SELL)
    memory.put(buy, sell)
    hands = memory.meet("99", "100", seq=7, low_ask="94", high_bid="106")
    prices = {each.order_id: (each.quote.bid, each.quote.ask) for each in hands}
    assert prices == {buy.order_id: (Decimal(94), Decimal(94)), sell.order_id: (Decimal(106), Decimal(106))}
    assert {(each.quote.epoch, each.quote.seq) for each in hands} == {(1, 7)}


def test_a_hand_says_whose_order_it_is(memory: Memory) -> None:
    order = build.resting(limit_price="100", traceparent="00-1-2-01")
    memory.put(order)
    quote = build.quote("99", "100")
    assert memory.meet("99", "100") == [Hand(order.order_id, order.account_id, "00-1-2-01", quote)]


def test_an_order_of_another_symbol_stays(memory: Memory) -> None:
    memory.put(build.resting(limit_price="100"))
    assert memory.meet("49", "50", symbol="MSFT") == []


def test_an_order_leaves_when_its_row_says_so(memory: Memory) -> None:
    order = build.resting(limit_price="100")
    memory.put(order)
    memory.put(replace(order, status=Status.CANCELLED, version=3))
    assert len(memory.it) == 0
    assert memory.it.symbols() == []
    assert memory.meet("99", "100") == []


def test_an_order_that_a_venue_keeps_is_not_watched_until_it_comes_back(memory: Memory) -> None:
    order = build.resting(limit_price="100")
    memory.put(order)
    route = build.route()
    memory.put(replace(order, route=route, version=3))
    assert memory.meet("99", "100") == []
    memory.put(replace(order, version=4))
    assert ids(memory.meet("99", "100")) == {order.order_id}


def test_an_older_row_changes_nothing(memory: Memory) -> None:
    order = build.resting(limit_price="100")
    memory.put(replace(order, version=3, limit_price=Decimal(90)))
    assert memory.put(order) == [False]
    assert memory.meet("99", "100") == []


def test_what_was_handed_over_comes_again_later_and_later_until_its_row_changes(memory: Memory) -> None:
    order = build.resting(limit_price="100")
    memory.put(order)
    assert ids(memory.meet("99", "100", now=0)) == {order.order_id}
    assert memory.meet("99", "100", seq=2, now=1) == []
    assert memory.unanswered(4.9) == []
    (entry,) = memory.unanswered(5)
    assert memory.again(entry, build.quote(seq=3))
    memory.it.handed_over([entry], now=5)
    assert memory.unanswered(14.9) == []
    assert memory.unanswered(15) == [entry]
    memory.put(replace(order, status=Status.EXECUTED, version=3))
    assert memory.unanswered(1000) == []


def test_a_hand_over_that_failed_comes_again_soon(memory: Memory) -> None:
    memory.put(build.resting(limit_price="100"))
    memory.meet("99", "100", now=0)
    (entry,) = memory.unanswered(5)
    assert memory.unanswered(1000) == [], "it is about to be handed over"
    memory.it.not_handed([entry], now=1000)
    assert memory.unanswered(1000.4) == []
    assert memory.unanswered(1000.5) == [entry]


def test_an_order_that_changes_while_it_is_handed_over_is_not_due(memory: Memory) -> None:
    order = build.resting(limit_price="100")
    memory.put(order)
    memory.meet("99", "100", now=0)
    (entry,) = memory.unanswered(5)
    memory.put(replace(order, status=Status.CANCELLED, version=3))
    memory.it.handed_over([entry], now=5)
    assert memory.unanswered(1000) == []


def test_an_order_whose_price_has_gone_waits_for_the_next(memory: Memory) -> None:
    order = build.resting(limit_price="100")
    memory.put(order)
    memory.meet("99", "100", now=0)
    (entry,) = memory.unanswered(5)
    assert not memory.again(entry, build.quote(ask="101"))
    assert ids(memory.meet("99", "100", seq=3, now=6)) == {order.order_id}


def test_what_a_quote_has_filled_in_part_waits_for_another_one(memory: Memory) -> None:
    order = build.resting(limit_price="100")
    memory.put(order)
    assert ids(memory.meet("99", "100", seq=1)) == {order.order_id}
    memory.put(replace(order, status=Status.PARTIALLY_EXECUTED, version=3))
    assert memory.meet("99", "100", seq=1) == []
    assert ids(memory.meet("99", "100", seq=2)) == {order.order_id}


def test_what_was_handed_over_before_a_pause_of_trading_meets_the_first_price_after(
    memory: Memory,
) -> None:
    mine, other = build.resting(limit_price="95"), build.resting(limit_price="95", symbol="MSFT")
    for order in (mine, other):
        memory.put(order)
        assert ids(memory.meet("93", "94", symbol=order.symbol)) == {order.order_id}
    assert set(memory.it.symbols()) == {"AAPL", "MSFT"}
    memory.it.take_back("AAPL")
    assert memory.meet("93", "94", 2, symbol="MSFT") == []
    assert ids(memory.meet("93", "94", 2)) == {mine.order_id}
    assert memory.meet("93", "94", 3) == []


def test_what_was_handed_over_before_a_halt_meets_the_same_quote_after_it(memory: Memory) -> None:
    order = build.resting(limit_price="95")
    memory.put(order)
    assert ids(memory.meet("93", "94")) == {order.order_id}
    memory.it.take_back("AAPL")
    assert ids(memory.meet("93", "94")) == {order.order_id}, "its row says that the quote has done nothing"


@pytest.mark.parametrize("side", Side)
def test_a_side_without_a_price_fills_nothing(memory: Memory, side: Side) -> None:
    memory.put(build.resting(side=side, protection_price=None))
    assert memory.meet("0", "0") == []
    there = ("99", "0") if side is SELL else ("0", "100")
    not_there = ("0", "100") if side is SELL else ("99", "0")
    assert memory.meet(*not_there, seq=2) == []
    assert len(memory.meet(*there, seq=3)) == 1


def test_a_stop_is_reached_by_the_far_side_only(memory: Memory) -> None:
    sell = build.resting(side=SELL, stop_price="90")
    buy = build.resting(side=BUY, stop_price="110")
    memory.put(sell, buy)
    assert memory.meet("1", "91", seq=1) == [], "a spread that opens to the bottom"
    assert memory.meet("109", "500", seq=2) == [], "and to the top"
    (hand_of_sell,) = memory.meet("80", "90", seq=3)
    assert (hand_of_sell.order_id, hand_of_sell.stop_price) == (sell.order_id, Decimal(90))
    (hand_of_buy,) = memory.meet("110", "115", seq=4)
    assert (hand_of_buy.order_id, hand_of_buy.stop_price) == (buy.order_id, Decimal(110))


def test_a_stop_that_an_extreme_has_reached_gets_the_quote_that_is_there(memory: Memory) -> None:
    memory.put(build.resting(side=SELL, stop_price="90"))
    (reached,) = memory.meet("95", "96", low_ask="90")
    assert (reached.stop_price, reached.quote.bid, reached.quote.ask) == D("90 95 96")


def test_a_stop_limit_is_handed_over_at_its_stop_and_rests_as_a_limit_from_then_on(memory: Memory) -> None:
    order = build.resting(side=SELL, stop_price="90", limit_price="89")
    memory.put(order)
    assert memory.meet("90", "91") == [], "the limit alone does not count"
    (reached,) = memory.meet("85", "88", seq=2)
    assert reached.stop_price == 90
    memory.put(replace(order, triggered_at=build.NOW, version=3))
    assert memory.meet("85", "88", seq=2) == []
    assert memory.meet("88", "90", seq=3) == []
    (filled,) = memory.meet("89", "90", seq=4)
    assert filled.stop_price is None


def test_a_stop_stays_reached_while_nobody_has_answered(memory: Memory) -> None:
    memory.put(build.resting(side=SELL, stop_price="90"))
    memory.meet("89", "90", now=0)
    (entry,) = memory.unanswered(5)
    assert memory.again(entry, build.quote("99", "100"))
    assert entry.stop_price == 90
    memory.it.take_back("AAPL")
    (again,) = memory.meet("101", "102", seq=9)
    assert again.stop_price == 90


def test_a_stop_that_is_reached_while_nobody_bids_waits_for_a_bid(memory: Memory) -> None:
    memory.put(build.resting(side=SELL, stop_price="90"))
    assert memory.meet("0", "89") == []
    (reached,) = memory.meet("95", "96", seq=2)
    assert (reached.stop_price, reached.quote.bid) == D("90 95")


@pytest.mark.parametrize(("field", "trail"), [("trail_amount", "5"), ("trail_percent", "5")])
def test_a_trailing_stop_follows_the_best_price_and_never_goes_back(
    memory: Memory, field: str, trail: str
) -> None:
    order = build.resting(side=SELL, **{field: trail})
    memory.put(order)
    for seq, bid in enumerate(("80", "100", "97"), 2):
        assert memory.meet(bid, str(int(bid) + 1), seq) == []
    (reached,) = memory.meet("94", "95", seq=9)
    assert reached.stop_price == 95


def test_a_trailing_purchase_follows_the_lowest_ask(memory: Memory) -> None:
    memory.put(build.resting(side=BUY, trail_percent="2.5"))
    for seq, ask in enumerate(("100", "80", "81"), 1):
        assert memory.meet("79", ask, seq) == []
    (reached,) = memory.meet("82", "83", seq=9)
    assert reached.stop_price == 82


def test_within_one_quote_the_stop_of_before_comes_first_then_the_mark_moves(memory: Memory) -> None:
    before, after = build.resting(side=SELL, trail_amount="5"), build.resting(side=SELL, trail_amount="3")
    memory.put(before, after)
    assert memory.meet("100", "101", seq=1) == []
    hands = memory.meet("105", "106", seq=2, high_bid="110", low_ask="95")
    assert {each.order_id: each.stop_price for each in hands} == {before.order_id: 95, after.order_id: 97}
    later = build.NOW + timedelta(seconds=1)
    memory.put(build.resting(side=SELL, trail_amount="4", accepted_at=later))
    assert memory.meet("105", "106", seq=3) == []
    (reached,) = memory.meet("105", "106", seq=4, high_bid="110")
    assert reached.stop_price == 106, "the new stop meets the quote itself"


def test_an_order_that_came_later_has_a_mark_of_its_own(memory: Memory) -> None:
    first, second = (build.resting(side=SELL, trail_amount="5") for _ in range(2))
    memory.put(first)
    memory.meet("100", "101", seq=1)
    memory.put(replace(second, accepted_at=build.NOW + timedelta(seconds=1)))
    memory.meet("97", "98", seq=2)
    assert ids(memory.meet("94", "95", seq=3)) == {first.order_id}
    (reached,) = memory.meet("91", "92", seq=4)
    assert (reached.order_id, reached.stop_price) == (second.order_id, Decimal(92))


def test_a_trailing_stop_keeps_its_mark_when_its_row_changes(memory: Memory) -> None:
    order = build.resting(side=SELL, trail_amount="5")
    memory.put(order)
    memory.meet("100", "101", seq=1)
    assert memory.put(replace(order, version=3)) == [False]
    assert ids(memory.meet("94", "95", seq=2)) == {order.order_id}


def test_what_an_order_waits_for_follows_from_its_row() -> None:
    prices = {"limit_price": "90", "stop_price": "80"}
    for kind, triggered in product(OrderType, (False, True)):
        fields = {"limit_price": prices["limit_price"]} if kind in LIMITED else {}
        fields |= {"stop_price": prices["stop_price"]} if kind in STOPS else {}
        if kind is OrderType.TRAILING_STOP:
            fields = {"trail_amount": "5"}
        triggered_at = build.NOW if triggered and kind in STOPS else None
        order = build.resting(side=SELL, type=kind, triggered_at=triggered_at, **fields)
        awaits = build.entry_of(order).awaits
        assert (awaits in {Awaits.STOP, Awaits.TRAIL}) == order.awaits_stop
        assert (awaits is Awaits.PRICE) == order.at_market


def test_orders_with_extended_hours_are_apart_from_the_others(memory: Memory) -> None:
    extended, regular = build.resting(limit_price="95", extended_hours=True), build.resting(limit_price="95")
    memory.put(extended, regular)
    assert (memory.it.symbols(), memory.it.symbols(extended=True)) == (["AAPL"], ["AAPL"])
    assert ids(memory.meet("93", "94", extended=True)) == {extended.order_id}
    assert ids(memory.meet("93", "94")) == {regular.order_id}
    memory.it.take_back("AAPL", extended=True)
    assert ids(memory.meet("93", "94", seq=2)) == set()
    assert ids(memory.meet("93", "94", seq=2, extended=True)) == {extended.order_id}
    memory.put(*(replace(each, status=Status.EXECUTED, version=3) for each in (extended, regular)))
    assert not memory.it.has_extended("AAPL")
    assert (len(memory.it), memory.it.symbols()) == (0, [])


def test_an_order_with_extended_hours_waits_again_in_its_own_place(memory: Memory) -> None:
    order = build.resting(limit_price="95", extended_hours=True)
    memory.put(order)
    memory.meet("93", "94", extended=True)
    (entry,) = memory.unanswered(5)
    assert not memory.again(entry, build.quote("98", "99", seq=2))
    assert ids(memory.meet("93", "94", seq=3)) == set()
    assert ids(memory.meet("93", "94", seq=3, extended=True)) == {order.order_id}
