"""Puts a new order in the place of an open one: the hold for what is more comes first, then both change at
once.

The new order has a new id and with it a new place in line: a replacement always loses its priority.

Of an order that a venue has, the replacement is asked for: both remember it, and the venue's answer decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakValueDictionary

from hub_errors import Conflict, HubError, Refused, Timeout
from hub_identity import Principal
from hub_money import to_text
from hub_order import mapping
from hub_order.domain import Order, OrderType, Route, Status, changed, hold_id_of
from hub_order.mapping import Replacement
from hub_order.risk import Draft, refusal
from hub_order.store import Newcomer, Orders, Replacing
from hub_order.usecases.answers import Answer
from hub_order.usecases.desk import (
    Desk,
    Patience,
    Wanted,
    first_answer_or,
    give_back,
    hold_request,
    new_order,
    newcomer,
    refused_hold,
    tell_accepted,
)
from hub_order.usecases.read import order_not_found
from hub_order.usecases.telling import tell_all
from hub_runtime import crash_point, get_logger

ATTEMPTS = 3

log = get_logger("replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a replacement needs beside the desk."""

    orders: Orders
    replacing: Replacing
    _turns: WeakValueDictionary[UUID, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @asynccontextmanager
    async def turn(self, order_id: UUID, patience: Patience) -> AsyncIterator[None]:
        """Of those who ask to replace one order at once, one at a time: else some would be told that they
        cannot pay, because the others hold the same money."""
        lock = self._turns.setdefault(order_id, asyncio.Lock())
        try:
            async with asyncio.timeout(patience.left_s()):
                await lock.acquire()
        except TimeoutError:
            raise Timeout("No answer in time.", code="deadline_exceeded") from None
        try:
            yield
        finally:
            lock.release()


async def replace(
    replacement: Replacement, principal: Principal, *, desk: Desk, exchange: Exchange
) -> Answer:
    """The new order once it is durable, or the first answer to its id or key."""
    patience = Patience.of(None, desk.clock)
    async with exchange.turn(replacement.order_id, patience):
        return await _replace(replacement, principal, patience, desk=desk, exchange=exchange)


async def _replace(
    replacement: Replacement, principal: Principal, patience: Patience, *, desk: Desk, exchange: Exchange
) -> Answer:
    """An order that is filled while it is being replaced is read again; what it has come to decides."""
    account_id = UUID(principal.account_id)
    claim = _wanted(replacement, 0).claim(account_id)
    for _ in range(ATTEMPTS):
        old = await exchange.orders.get(replacement.order_id, account_id)
        if old is None:
            raise order_not_found()
        no = not_now(old, replacement)
        if no is not None:
            return await first_answer_or(no, claim, patience, desk)
        wanted = _wanted(replacement, old.version)
        facts = await desk.facts(draft_of(old, replacement), account_id)
        no = refusal(facts)
        if no is not None:
            return await first_answer_or(no, claim, patience, desk)
        asked = hold_request(wanted, principal, facts, replaced=old)
        hold = await desk.holds.submit(asked, patience.left_s())
        crash_point("order.replace.after_hold")
        if not hold.granted:
            return await first_answer_or(refused_hold(hold, facts), claim, patience, desk)
        order = _in_place(new_order(wanted, principal, facts, hold, desk=desk), old, replacement)
        coming = newcomer(order, facts, idempotency_key=wanted.idempotency_key, desk=desk)
        if await _swapped(old, coming, principal, exchange=exchange):
            return Answer(mapping.order_message(coming.order), repeated=False)
        if await exchange.orders.get(wanted.order_id, account_id) is None:
            # Else it was sent twice, and the other one's order may have this hold.
            await give_back(wanted.hold_id, desk)
        found = await desk.answers.submit(claim, patience.left_s())
        if isinstance(found, Answer):
            return found
        if found is not None:
            raise found
    raise Conflict(
        "The order changed while it was being replaced; look at it, and ask again.", code="order_changed"
    )


def not_now(old: Order, replacement: Replacement) -> HubError | None:
    """Why this order cannot be replaced, or not like that."""
    if old.final:
        return Refused("The order has ended already.", code="order_final")
    if old.status is Status.PENDING:
        return Conflict("The order is on its way to the market; ask again.", code="order_in_flight")
    if old.ending or old.successor is not None or old.venue_filled is not None:
        sentence = "A venue was asked to end or replace the order; ask again when it has answered."
        return Conflict(sentence, code="order_at_venue")
    if old.at_market or old.at_once or old.triggered_at is not None:
        sentence = "An order that takes the market's price, or whose stop was reached, cannot be replaced."
        return Refused(sentence, code="not_replaceable")
    if not replacement.given:
        return Refused("Nothing would change.", code="nothing_to_replace")
    if replacement.quantity is not None and replacement.quantity <= old.filled_quantity:
        filled = to_text(old.filled_quantity)
        sentence = f"{filled} are filled already: the whole quantity must be above that."
        return Refused(sentence, code="quantity_below_filled", field="quantity")
    return None


def draft_of(old: Order, replacement: Replacement) -> Draft:
    """The new order as a wish: for what is left of the whole quantity. A term that the type does not have is
    left to the rules to refuse."""
    whole = old.quantity if replacement.quantity is None else replacement.quantity
    by_percent = replacement.trail_amount is None and (
        replacement.trail_percent is not None or old.trail_percent is not None
    )
    trailing = old.type is OrderType.TRAILING_STOP
    return Draft(
        symbol=old.symbol,
        side=old.side,
        type=old.type,
        time_in_force=replacement.time_in_force or old.time_in_force,
        quantity=whole - old.filled_quantity,
        limit_price=replacement.limit_price or old.limit_price,
        stop_price=replacement.stop_price or old.stop_price,
        trail_amount=replacement.trail_amount or (old.trail_amount if trailing and not by_percent else None),
        trail_percent=replacement.trail_percent or (old.trail_percent if trailing and by_percent else None),
        extended_hours=old.extended_hours,
        replaces=old.order_id,
        given=_given(old, replacement),
    )


def _given(old: Order, replacement: Replacement) -> tuple[str, ...]:
    """The terms that were sent, first those that are not as they were."""
    sent = replacement.given
    return tuple(sorted(sent, key=lambda name: sent[name] == getattr(old, name)))


def _in_place(order: Order, old: Order, replacement: Replacement) -> Order:
    """The new order: while the venue of the old one is asked for its place, it waits."""
    route = old.route
    if route is None:
        return order
    whole = old.quantity if replacement.quantity is None else replacement.quantity
    return changed(
        order,
        route=Route(
            venue=route.venue,
            quote=route.quote,
            routed_at=order.accepted_at,
            filled_quantity=order.filled_quantity,
            filled_value=order.filled_value,
            whole_quantity=whole,
        ),
    )


def _wanted(replacement: Replacement, version: int) -> Wanted:
    """Held for the old order as it was at this version: who has read another one needs another hold, and no
    swap of this version can come any more once it has changed."""
    return Wanted(
        order_id=replacement.new_order_id,
        hold_id=hold_id_of(replacement.new_order_id, version),
        client_order_id=replacement.client_order_id,
        idempotency_key=replacement.idempotency_key,
        body_hash=replacement.body_hash,
    )


async def _swapped(old: Order, coming: Newcomer, principal: Principal, *, exchange: Exchange) -> bool:
    actor = f"user:{principal.user_id}"
    if old.route is not None:
        changes = await exchange.replacing.ask(old, coming, actor=actor)
        tell_all(changes, {})
        return bool(changes)
    changes = await exchange.replacing.swap(old, coming, actor=actor)
    if not changes:
        return False
    tell_all(changes, {})
    tell_accepted(coming.order)
    return True
