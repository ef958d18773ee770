"""Carries corporate actions out, each step once and again from wherever the last one died: a split closes
the orders of its instrument, then it is applied to positions, then trading goes on; a dividend is only
applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from hub_errors import HubError
from hub_order.clients import Market
from hub_order.corporate_actions import ActionBooks, DueAction, DueActions
from hub_order.domain import CORPORATE_ACTIONS, Change, Order, Reason, Status, ask_end, close
from hub_order.store import OpenOrders, Orders
from hub_order.usecases.telling import tell_all
from hub_runtime import counter, crash_point, gauge, get_logger

AT_ONCE: Final = 200

DONE = counter("hub_order_corporate_actions_total", "Corporate actions that were carried out", ("type",))

WAITING = gauge("hub_order_corporate_actions_waiting", "Corporate actions that are due and not carried out")

log = get_logger("corporate_actions")


@dataclass(frozen=True, slots=True)
class CorporateActions:
    orders: Orders
    market: Market
    due: DueActions
    books: ActionBooks

    @property
    def _open(self) -> OpenOrders:
        return OpenOrders(self.orders.pool)

    async def carry_out(self) -> int:
        """All that are due, as far as they can be; how many are done. One that cannot go on keeps the later
        ones of its instrument waiting, and nobody else."""
        waiting, count = set[str](), 0
        due = await self.due.due()
        for action in due:
            if action.symbol in waiting:
                continue
            try:
                done = await self._carry_out(action)
            except HubError as error:
                log.warning("corporate_action_failed", action_id=str(action.action_id), code=error.code)
                done = False
            if done:
                count += 1
            else:
                waiting.add(action.symbol)
        WAITING.set(len(due) - count)
        return count

    async def _carry_out(self, action: DueAction) -> bool:
        if action.is_split and not await self._cleared(action):
            return False
        crash_point("order.actions.after_close")
        while not (progress := await self.books.apply(action)).done:
            if progress.open_holds:
                log.info("split_waits", symbol=action.symbol, open_holds=progress.open_holds)
                return False
            crash_point("order.actions.after_page")
        crash_point("order.actions.after_apply")
        # What was accepted by who had not heard of the halt.
        if action.is_split and not await self._cleared(action):
            return False
        await self.due.complete(action)
        crash_point("order.actions.after_complete")
        kind = "split" if action.is_split else "dividend"
        DONE.labels(kind).inc()
        about = {"action_id": str(action.action_id), "symbol": action.symbol, "type": kind}
        text = f"{kind} of {action.symbol} is applied: {action.ratio or action.amount}"
        log.info("corporate_action_done", **about, highlight=True, text=text)
        return True

    async def _cleared(self, action: DueAction) -> bool:
        """Whether no order of the instrument is open any more; all that are, are closed or asked to end."""
        instrument = self.market.instrument(action.symbol)
        if instrument is not None and not instrument.halted:
            return False  # new orders would go on to come
        while found := await self._open.of(action.symbol, limit=AT_ONCE):
            await self._close(found, action.symbol)
        return not await self._open.any(action.symbol)

    async def _close(self, order_ids: Sequence[UUID], symbol: str) -> None:
        def decide(order: Order, now: datetime) -> list[Change]:
            if order.symbol != symbol or order.final or order.ending:
                return []
            if order.route is not None:
                return [ask_end(order, Status.CANCELLED, actor=CORPORATE_ACTIONS, now=now)]
            reason = Reason.CORPORATE_ACTION
            return [close(order, Status.CANCELLED, reason=reason, actor=CORPORATE_ACTIONS, now=now)]

        changes = await self.orders.change(order_ids, decide)
        tell_all(changes, {})
