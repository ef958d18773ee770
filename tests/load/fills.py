"""Executions for the position worker, one for each order, over all accounts."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_events import envelope
from hub_runtime import uuid7
from tests.load.past import ACCOUNT, ACCOUNTS, PRICE, SYMBOLS

HOLDS = f"""
    INSERT INTO holds (hold_id, order_id, account_id, side, symbol, quantity, unit_price, remaining,
                       confirmed)
    SELECT hold, hold, account, 'BUY', symbol, 1, {PRICE}, {PRICE}, true
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS new (hold, account, symbol)
"""
HELD = """
    UPDATE accounts SET held = held + sums.amount
    FROM (SELECT account_id, sum(remaining) AS amount FROM holds WHERE closed_at IS NULL GROUP BY 1) AS sums
    WHERE accounts.account_id = sums.account_id AND held <> sums.amount
"""
OPEN = f"""
    INSERT INTO accounts (account_id, user_id, cash_settled)
    SELECT {ACCOUNT.format(a="a")}, {ACCOUNT.format(a="a")}, 0 FROM generate_series(1, $1::int) AS a
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Fill:
    """A purchase of one share that is filled at once."""

    order_id: UUID
    account_id: UUID
    symbol: str

    def event(self, now: datetime) -> event_pb2.Envelope:
        order = order_pb2.Order(
            order_id=str(self.order_id),
            account_id=str(self.account_id),
            symbol=self.symbol,
            side=order_pb2.SIDE_BUY,
            status=order_pb2.ORDER_STATUS_EXECUTED,
            quantity="1",
            filled_quantity="1",
            limit_price=str(PRICE),
        )
        execution = order_pb2.Execution(execution_id=str(uuid7()), quantity="1", price=str(PRICE))
        execution.executed_at.FromDatetime(now)
        payload = event_pb2.OrderExecuted(
            order=order,
            execution=execution,
            hold_id=str(self.order_id),
            execution_count=1,
            user_id=str(self.account_id),
        )
        payload.market_time.FromDatetime(now)
        return envelope(
            "order.executed", str(self.order_id), str(self.account_id), payload, traceparent=_untraced()
        )


_numbers = itertools.count(1)


def _untraced() -> str:
    return f"00-{next(_numbers):032x}-{1:016x}-00"


def fills(count: int, start: int) -> Iterator[Fill]:
    """Every account in turn, each time in another instrument."""
    for number in range(start, start + count):
        account = hashlib.md5(f"account{number % ACCOUNTS + 1}".encode(), usedforsecurity=False).hexdigest()
        yield Fill(uuid7(), UUID(account), f"S{number // ACCOUNTS % SYMBOLS + 1:02}")


async def hold(superuser_dsn: str, orders: list[Fill]) -> None:
    """Their accounts and holds, as if they had been placed."""
    connection = await asyncpg.connect(superuser_dsn)
    try:
        await connection.execute(OPEN, ACCOUNTS)
        await connection.execute(
            HOLDS,
            [order.order_id for order in orders],
            [order.account_id for order in orders],
            [order.symbol for order in orders],
            timeout=120,
        )
        await connection.execute(HELD, timeout=120)
        await connection.execute("VACUUM ANALYZE holds, accounts", timeout=120)
    finally:
        await connection.close()
