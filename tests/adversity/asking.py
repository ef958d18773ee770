"""What the tests ask of the platform, with only what each of them cares about."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any
from uuid import UUID

from hub.order.v1 import order_pb2
from hub_order.domain import Quote
from hub_order.mapping import replacement
from hub_order.usecases.answers import Answer
from hub_order.usecases.cancel import cancel
from hub_order.usecases.desk import Desk
from hub_order.usecases.execute import execute
from hub_order.usecases.plan import Task
from hub_order.usecases.replace import Exchange, replace
from hub_runtime import uuid7
from tests.adversity.platform import Platform
from tests.order import build
from tests.order.house import submission
from tests.support.tokens import TokenUser as User

LATEST_EPOCH = 10**9


async def accepted(both: Platform, user: User, **fields: Any) -> UUID:
    """An order that is durable, and that no worker has seen yet."""
    (result,) = await both.submit(submission(user, **fields))
    assert result.HasField("accepted"), result
    return UUID(result.accepted.order.order_id)


async def resting(both: Platform, user: User, **fields: Any) -> UUID:
    """A limit purchase of 10 at 95, below the market; nothing is under way."""
    order_id = await accepted(both, user, **{"limit_price": "95", **fields})
    await both.through()
    return order_id


def replacing(order_id: UUID, **fields: Any) -> order_pb2.ReplaceOrderRequest:
    body = hashlib.sha256(repr(sorted(fields.items())).encode()).digest()
    fields.setdefault("new_order_id", str(uuid7()))
    return order_pb2.ReplaceOrderRequest(order_id=str(order_id), body_hash=body, **fields)


async def replaced(
    both: Platform, user: User, request: order_pb2.ReplaceOrderRequest, desk: Desk | None = None
) -> Answer:
    """In another process, if its desk is given."""
    wanted, principal, exchange = replacement(request), both.principal(user), both.exchange
    if desk is not None:
        exchange = Exchange(orders=exchange.orders, replacing=exchange.replacing)
    return await replace(wanted, principal, desk=desk or both.desk, exchange=exchange)


async def cancelled(both: Platform, user: User, order_id: UUID) -> None:
    await cancel(order_id, both.principal(user), orders=both.orders)


def quote(both: Platform, ask: str, size: str = "500", *, seq: int = 50) -> Quote:
    """One of now, a dollar wide."""
    sizes = {"bid_size": Decimal(size), "ask_size": Decimal(size)}
    market_time = both.tape.cache.market_time()
    return build.quote(bid=str(Decimal(ask) - 1), ask=ask, seq=seq, market_time=market_time, **sizes)


async def handed(both: Platform, order_id: UUID, from_quote: Quote, stop: str | None = None) -> None:
    """What the worker does with what the trigger hands over."""
    stop_price = None if stop is None else Decimal(stop)
    await execute([Task(order_id, "", from_quote, stop_price, LATEST_EPOCH)], floor=both.floor)
