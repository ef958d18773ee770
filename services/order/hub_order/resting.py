"""The memory of resting orders: which of them can a quote fill? Pure; rebuilt from the rows at any time."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from hub_order.domain import RESTING, Order, Quote, Side

# An order at the market takes any price within its protection, so it is first in its heap.
_ANY_BUY, _ANY_SELL = Decimal("Infinity"), Decimal(0)


@dataclass(frozen=True, slots=True)
class Hand:
    """An order to hand over, with the quote it can be filled from."""

    order: Order
    quote: Quote


@dataclass(slots=True)
class _Handed:
    again_at: float
    pause_s: float


class RestingOrders:
    """Heaps per symbol and side, best price first. What was handed over waits aside until its row changes."""

    def __init__(self, *, hand_again_s: float = 5.0, most_pause_s: float = 60.0) -> None:
        self._orders: dict[UUID, Order] = {}
        self._heaps: dict[tuple[str, Side], list[tuple[Decimal, UUID, int]]] = defaultdict(list)
        self._handed: dict[UUID, _Handed] = {}
        self._hand_again_s = hand_again_s
        self._most_pause_s = most_pause_s

    def __len__(self) -> int:
        return len(self._orders)

    def put(self, order: Order) -> bool:
        """Takes a row as it is now; whether it is one that waits and was not known as such."""
        known = self._orders.get(order.order_id)
        if known is not None and known.version >= order.version:
            return False
        self._handed.pop(order.order_id, None)
        if order.status not in RESTING:
            self._orders.pop(order.order_id, None)
            return False
        self._orders[order.order_id] = order
        self._push(order)
        return True

    def symbols(self) -> set[str]:
        """Of which instruments there are orders."""
        return {symbol for (symbol, _), heap in self._heaps.items() if heap} | {
            self._orders[order_id].symbol for order_id in self._handed
        }

    def take_back(self, symbol: str) -> None:
        """What was handed over of this instrument waits for the next price like the others."""
        for order_id in [each for each in self._handed if self._orders[each].symbol == symbol]:
            del self._handed[order_id]
            self._push(self._orders[order_id])

    def keep_only(self, order_ids: set[UUID]) -> None:
        """Forgets all others: a row that ended unseen must not stay in memory."""
        for order_id in self._orders.keys() - order_ids:
            del self._orders[order_id]
            self._handed.pop(order_id, None)

    def crossed(self, quote: Quote, *, low_ask: Decimal, high_bid: Decimal, now: float) -> list[Hand]:
        """What this quote fills, taken out of the heaps. The lowest ask and the highest bid since the quote
        before count too: an order that only they reach is filled from them."""
        bottom = replace(quote, ask=low_ask, bid=min(quote.bid, low_ask))
        top = replace(quote, bid=high_bid, ask=max(quote.ask, high_bid))
        hands = [*self._take(Side.BUY, quote, low_ask), *self._take(Side.SELL, quote, high_bid)]
        for order in hands:
            self._handed[order.order_id] = _Handed(now + self._hand_again_s, self._hand_again_s)
        extreme = {Side.BUY: bottom, Side.SELL: top}
        return [Hand(order, quote if fits(order, quote) else extreme[order.side]) for order in hands]

    def unanswered(self, *, now: float) -> list[Order]:
        """Handed over a while ago, and the row has not changed: back into the heaps, to be tried again."""
        due = [order_id for order_id, handed in self._handed.items() if handed.again_at <= now]
        orders = []
        for order_id in due:
            handed = self._handed[order_id]
            handed.pause_s = min(handed.pause_s * 2, self._most_pause_s)
            handed.again_at = now + handed.pause_s
            orders.append(self._orders[order_id])
        return orders

    def again(self, order: Order, quote: Quote) -> Hand | None:
        """The same order once more, if the quote of now still fills it; else it waits in its heap."""
        if fits(order, quote):
            return Hand(order, quote)
        del self._handed[order.order_id]
        self._push(order)
        return None

    def _push(self, order: Order) -> None:
        heapq.heappush(self._heaps[order.symbol, order.side], (_rank(order), order.order_id, order.version))

    def _take(self, side: Side, quote: Quote, price: Decimal) -> list[Order]:
        return list(self._popped(self._heaps.get((quote.symbol, side), []), side, price))

    def _popped(self, heap: list[tuple[Decimal, UUID, int]], side: Side, price: Decimal) -> Iterator[Order]:
        while heap:
            rank, order_id, version = heap[0]
            order = self._orders.get(order_id)
            if order is None or order.version != version or order_id in self._handed:
                heapq.heappop(heap)  # what it spoke of has changed since
                continue
            if price <= 0 or not (price <= -rank if side is Side.BUY else price >= rank):
                return
            heapq.heappop(heap)
            yield order


def fits(order: Order, quote: Quote) -> bool:
    """Whether the venue would fill the order from this quote, or end it for its protection."""
    rank = _rank(order)
    return 0 < quote.ask <= -rank if order.side is Side.BUY else quote.bid > 0 and quote.bid >= rank


def _rank(order: Order) -> Decimal:
    """Smallest first: purchases with the highest limit, sales with the lowest."""
    if order.side is Side.BUY:
        return -(_ANY_BUY if order.limit_price is None else order.limit_price)
    return _ANY_SELL if order.limit_price is None else order.limit_price
