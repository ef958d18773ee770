"""The open orders of an instrument, of all accounts."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hub_postgres import Pool, acquire

# An index of the open orders is walked through: this is asked on the day of a split.
OPEN_OF_SYMBOL = """
    SELECT id FROM orders
    WHERE symbol = $1 AND status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED') AND ending = ''
    LIMIT $2
"""

HAS_OPEN = """
    SELECT EXISTS (SELECT FROM orders
                   WHERE symbol = $1 AND status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED'))
"""


@dataclass(frozen=True, slots=True)
class OpenOrders:
    pool: Pool

    async def of(self, symbol: str, *, limit: int) -> list[UUID]:
        """Those whose end nobody has asked for."""
        async with acquire(self.pool) as connection:
            return [row["id"] for row in await connection.fetch(OPEN_OF_SYMBOL, symbol, limit)]

    async def any(self, symbol: str) -> bool:
        """Whether one is open, though its end may be asked for."""
        async with acquire(self.pool) as connection:
            return bool(await connection.fetchval(HAS_OPEN, symbol))
