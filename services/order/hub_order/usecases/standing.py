"""What the account of a submission has in the market already: asked of the database only where that can matter."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from hub_batching import Batcher
from hub_order.domain import AT_ONCE, OrderType
from hub_order.risk import Draft
from hub_order.store import Question, Standing

REMEMBER_S: Final = 2.0
PENDING_S: Final = 10.0
MOST_ACCOUNTS: Final = 100_000
NOTHING: Final = Standing(None, 0)


@dataclass(slots=True)
class _Known:
    open_orders: int = 0
    """As counted, and those that this process accepted since."""
    counted_at: float | None = None
    ask_until: float = 0.0
    """This process accepted an order that may rest: for so long it may be on its way to the book."""


class StandingOrders:
    """An account without an open order is not asked about again for two seconds, as long as this process accepts
    nothing of it that may rest; and open orders are counted once in two seconds.

    So an order that rests through another process may be missed for two seconds by this one: self-crossing and the
    number of open orders are no rules of money. Times are those of a monotonic clock.
    """

    def __init__(self, questions: Batcher[Question, Standing], *, most_accounts: int = MOST_ACCOUNTS) -> None:
        self._questions = questions
        self._accounts: OrderedDict[UUID, _Known] = OrderedDict()
        self._most_accounts = most_accounts

    def __len__(self) -> int:
        return len(self._accounts)

    async def of(self, account_id: UUID, draft: Draft, *, now: float, deadline_s: float) -> Standing:
        """The nearest own order on the other side, and how many orders rest."""
        known = self._known(account_id)
        counted = known.counted_at is not None and now - known.counted_at < REMEMBER_S
        if counted and not known.open_orders and now >= known.ask_until:
            return NOTHING
        question = Question(account_id, draft.symbol, draft.side, count=not counted)
        found = await self._questions.submit(question, deadline_s)
        if found.open_orders is not None:
            known.open_orders, known.counted_at = found.open_orders, now
        return Standing(found.opposing_price, known.open_orders)

    def accepted(self, account_id: UUID, draft: Draft, *, session_open: bool, now: float) -> None:
        """What this process took in may rest from now on."""
        at_once = draft.type is OrderType.MARKET and session_open
        if at_once or draft.time_in_force in AT_ONCE:
            return
        known = self._known(account_id)
        known.open_orders += 1
        known.ask_until = now + PENDING_S

    def _known(self, account_id: UUID) -> _Known:
        known = self._accounts.get(account_id)
        if known is None:
            known = self._accounts[account_id] = _Known()
            if len(self._accounts) > self._most_accounts:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(account_id)
        return known
