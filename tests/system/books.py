"""The equations between the books of the order and the position service, read from their databases."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal

import asyncpg

# Money is rounded half-even; round() rounds up what lies in the middle.
TURNOVER = """
    SELECT coalesce(sum(CASE WHEN exact * 1e8 % 1 = 0.5 AND up * 1e8 % 2 = 1 THEN up - 1e-8 ELSE up END), 0)
      FROM executions, LATERAL (SELECT quantity * price AS exact, round(quantity * price, 8) AS up) AS each
"""

ORDERS = f"""
    SELECT (SELECT count(*) FROM orders
             WHERE status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED')) AS open,
           (SELECT count(*) FROM orders WHERE status = 'EXECUTED') AS executed,
           (SELECT count(*) FROM executions) AS executions,
           (SELECT count(DISTINCT order_id) FROM executions) AS filled_orders,
           (SELECT coalesce(sum(quantity), 0) FROM executions) AS shares,
           (SELECT coalesce(sum(filled_quantity), 0) FROM orders) AS filled,
           ({TURNOVER}) AS turnover,
           (SELECT count(*) FROM outbox) AS outbox
"""

POSITIONS = """
    SELECT (SELECT count(*) FROM trades) AS trades,
           (SELECT coalesce(sum(quantity), 0) FROM trades) AS shares,
           (SELECT coalesce(sum(gross), 0) FROM trades) AS turnover,
           (SELECT coalesce(sum(amount), 0) FROM postings) AS all_postings,
           (SELECT count(*) FROM (SELECT FROM postings GROUP BY transaction_id HAVING sum(amount) <> 0)
             AS unequal) AS lopsided,
           (SELECT count(*) FROM holds WHERE closed_at IS NULL) AS open_holds,
           (SELECT coalesce(sum(held), 0) FROM accounts) AS held_cash,
           (SELECT coalesce(sum(held), 0) FROM positions) AS held_shares,
           (SELECT coalesce(sum(cash_settled + cash_unsettled), 0) FROM accounts) AS cash,
           (SELECT coalesce(sum(amount), 0) FROM postings
             WHERE ledger_account IN ('cash_settled', 'cash_unsettled')) AS posted_cash,
           (SELECT coalesce(sum(total_cost), 0) FROM positions) AS cost,
           (SELECT coalesce(sum(amount), 0) FROM postings WHERE ledger_account = 'securities') AS posted_cost,
           (SELECT count(*) FROM outbox) AS outbox
"""


async def differences(order_dsn: str, position_dsn: str) -> list[str]:
    """What does not agree; empty when the books balance."""
    [orders] = await _read(order_dsn, ORDERS)
    [books] = await _read(position_dsn, POSITIONS)
    pairs: dict[str, tuple[Decimal | int, Decimal | int]] = {
        "open orders": (orders["open"], 0),
        "executed orders = orders with executions": (orders["executed"], orders["filled_orders"]),
        "executions = trades": (orders["executions"], books["trades"]),
        "shares executed = shares filled": (orders["shares"], orders["filled"]),
        "shares executed = shares traded": (orders["shares"], books["shares"]),
        "turnover executed = turnover traded": (orders["turnover"], books["turnover"]),
        "all postings add up to zero": (books["all_postings"], 0),
        "every transaction adds up to zero": (books["lopsided"], 0),
        "cash = posted cash": (books["cash"], books["posted_cash"]),
        "cost of positions = posted securities": (books["cost"], books["posted_cost"]),
        "open holds": (books["open_holds"], 0),
        "cash held": (books["held_cash"], 0),
        "shares held": (books["held_shares"], 0),
        "order outbox": (orders["outbox"], 0),
        "position outbox": (books["outbox"], 0),
    }
    return [f"{name}: {left} and {right}" for name, (left, right) in pairs.items() if left != right]


async def _read(dsn: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query)
    finally:
        # At once: whoever waits for the books may be out of time.
        connection.terminate()


async def balanced(order_dsn: str, position_dsn: str, timeout_s: float) -> list[str]:
    """Waits until the books agree, or answers what still differs after the time."""
    found: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while found := await differences(order_dsn, position_dsn):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.5)
    return found
