"""How an account stands: its own limits, how often it has sent orders, and what of it rests."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from uuid import UUID

from hub_batching import Batcher
from hub_order.domain import AT_ONCE, OrderType
from hub_order.risk import AccountLimits, Draft, Limits, Throttle
from hub_order.store import Opposition, Question

REMEMBER_S: Final = 2.0
ON_ITS_WAY_S: Final = 10.0
"""For so long an order that was sent may not rest yet."""
COUNTING_S: Final = 0.000_01
"""What counting one order may cost: an account with many is counted anew after as much more time."""
MOST_ACCOUNTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules look at of an account."""

    retry_after_s: float | None = None
    open_orders: int = 0
    opposing_price: Decimal | None = None


@dataclass(slots=True)
class _Known:
    open_orders: int = 0
    """As they were counted, and those that were sent since."""
    counted_at: float | None = None
    ask_until: float = 0.0

    def due(self, most: int, now: float) -> bool:
        """Whether they must be counted before an order is judged by them."""
        if self.counted_at is None or now - self.counted_at >= REMEMBER_S:
            return True
        return self.open_orders >= most and now - self.counted_at >= self.open_orders * COUNTING_S


class OwnOrderMemory:
    """Spares most questions about what an account has in the market.

    An account in which nothing rested is asked about again after two seconds, or at once when this process
    was sent something that may rest. So what came to rest through another process may be missed for as long.
    Times are those of a monotonic clock.
    """

    def __init__(self, *, most_accounts: int = MOST_ACCOUNTS) -> None:
        self._accounts: OrderedDict[UUID, _Known] = OrderedDict()
        self._most_accounts = most_accounts

    def __len__(self) -> int:
        return len(self._accounts)

    def question(self, account_id: UUID, draft: Draft, *, most: int, now: float) -> Question | None:
        """What has to be asked about this order; None where the answer is known to be nothing."""
        known = self._known(account_id)
        count = known.due(most, now)
        if not count and not known.open_orders and now >= known.ask_until:
            return None
        return Question(account_id, draft.symbol, draft.side, count)

    def learn(self, account_id: UUID, open_orders: int | None, now: float) -> int:
        """How many orders of the account rest, now that the answer is there."""
        known = self._known(account_id)
        if open_orders is not None:
            known.open_orders, known.counted_at = open_orders, now
        return known.open_orders

    def sent(self, account_id: UUID, draft: Draft, *, traded: bool, now: float) -> None:
        """An order is under way that may rest in the end: what takes the market's price does so only while
        nothing is traded."""
        if draft.time_in_force in AT_ONCE or (draft.type is OrderType.MARKET and traded):
            return
        known = self._known(account_id)
        known.open_orders += 1
        known.ask_until = now + ON_ITS_WAY_S

    def _known(self, account_id: UUID) -> _Known:
        known = self._accounts.get(account_id)
        if known is None:
            known = self._accounts[account_id] = _Known()
            if len(self._accounts) > self._most_accounts:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(account_id)
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDesk:
    """`own_limits` looks into a copy in memory; `own_orders` asks the database, for many at once."""

    own_limits: Callable[[UUID], AccountLimits | None]
    own_orders: Batcher[Question, Opposition]
    throttle: Throttle = field(default_factory=Throttle)
    memory: OwnOrderMemory = field(default_factory=OwnOrderMemory)

    def limits(self, account_id: UUID) -> AccountLimits | None:
        return self.own_limits(account_id)

    async def standing(self, account_id: UUID, draft: Draft, limits: Limits, *, traded: bool) -> Standing:
        """Counts the order that is sent, and finds out what it meets. `traded`: the instrument is now."""
        now = asyncio.get_running_loop().time()
        retry_after_s = self.throttle.take(account_id, most=limits.orders_per_minute, now=now)
        if retry_after_s is not None:
            return Standing(retry_after_s)
        question = self.memory.question(account_id, draft, most=limits.most_open_orders, now=now)
        if question is None:
            self.memory.sent(account_id, draft, traded=traded, now=now)
            return Standing()
        found = await self.own_orders.submit(question)
        open_orders = self.memory.learn(account_id, found.open_orders, now)
        self.memory.sent(account_id, draft, traded=traded, now=now)
        return Standing(None, open_orders, found.opposing_price)
