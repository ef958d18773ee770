"""What the databases say: how far orders have come, and whether anything was lost, doubled or is unequal."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import asyncpg

from hub_local.stack import Stack
from tests.system.books import balanced

# Ended without an execution and without a word why, or not ended at all.
UNANSWERED = """
    SELECT count(*) FROM orders
    WHERE execution_count = 0 AND (reason = '' OR status IN ('PENDING', 'PROCESSING'))
"""
MORE_THAN_ORDERED = """
    SELECT count(*) FROM (SELECT order_id, sum(quantity) AS filled FROM executions GROUP BY order_id) AS sums
    JOIN orders ON orders.id = order_id WHERE filled > orders.quantity
"""
BOOKED_TWICE = "SELECT count(*) - count(DISTINCT (order_id, executed_at, quantity, price)) FROM trades"
MISSING = """
    SELECT count(*) FROM unnest($1::uuid[]) AS answered (id)
    WHERE NOT EXISTS (SELECT FROM orders WHERE orders.id = answered.id)
"""
QUIET_S = 90.0


@dataclass(frozen=True)
class Progress:
    accepted: int
    executed: int
    booked: int


@dataclass(frozen=True)
class Verdict:
    lost: int
    duplicated: int
    differences: list[str]


class Ledgers:
    """Reads both databases with the administrators' login."""

    def __init__(self, stack: Stack) -> None:
        self.order_dsn = stack.administration_dsn("hub_order")
        self.position_dsn = stack.administration_dsn("hub_position")

    async def progress(self) -> Progress:
        """Everything since the databases were made, as of now."""
        accepted, executed, booked = await asyncio.gather(
            _number(self.order_dsn, "SELECT count(*) FROM orders"),
            _number(self.order_dsn, "SELECT count(*) FROM executions"),
            _number(self.position_dsn, "SELECT count(*) FROM trades"),
        )
        return Progress(accepted, executed, booked)

    async def settled(self, *, limit_s: float = QUIET_S) -> list[str]:
        """Waits until everything has come to its end; answers what is still unequal then."""
        return await balanced(self.order_dsn, self.position_dsn, limit_s)

    async def tidy(self) -> None:
        """Does now what the database would do at a time of its own choosing, and in somebody's latency: it
        reads what was written for its statistics, clears what was deleted, and writes all to the disk."""
        for dsn in (self.order_dsn, self.position_dsn):
            connection = await asyncpg.connect(dsn)
            try:
                await connection.execute("VACUUM (ANALYZE)")
                await connection.execute("CHECKPOINT")
            finally:
                await connection.close()

    async def verdict(self, *, answered: int, ids: Collection[str], before: int) -> Verdict:
        """`answered` orders were answered 202, of which `ids` are known by name; `before` had been there."""
        differences = await self.settled()
        durable = await _number(self.order_dsn, "SELECT count(*) FROM orders") - before
        lost = max(0, answered - durable) + await _number(self.order_dsn, MISSING, list(ids))
        lost += await _number(self.order_dsn, UNANSWERED)
        duplicated = await _number(self.order_dsn, MORE_THAN_ORDERED)
        duplicated += await _number(self.position_dsn, BOOKED_TWICE)
        return Verdict(lost, duplicated, differences)


async def _number(dsn: str, query: str, *arguments: Any) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(query, *arguments))
    finally:
        await connection.close()
