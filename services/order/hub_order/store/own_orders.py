"""What an account has in the market already, read in one statement for many submissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from hub_order.domain import Side
from hub_postgres import Pool, acquire, array_parameters, column_arrays

_RESTING = "rested AND status IN ('PROCESSING', 'PARTIALLY_EXECUTED')"
# As in the index orders_resting_of_account: null while it awaits its stop.
_WORST = """
    (CASE WHEN type IN ('MARKET', 'LIMIT') OR triggered_at IS NOT NULL
          THEN coalesce(limit_price, protection_price, 0) END)
"""
_OPPOSING = f"""
    SELECT {_WORST} FROM orders
    WHERE account_id = asked.account_id AND symbol = asked.symbol AND {_RESTING}
      AND {_WORST} IS NOT NULL
"""  # noqa: S608 - constant parts

# One probe of the index for each, and for most accounts of an index that has nothing of theirs. Counting
# reads all of an account's open orders from the index, so it is done only where that is asked for.
OWN_ORDERS = f"""
    SELECT CASE asked.side
           WHEN 'BUY' THEN (
               {_OPPOSING} AND side = 'SELL' ORDER BY account_id, symbol, side, {_WORST} LIMIT 1)
           ELSE (
               {_OPPOSING} AND side = 'BUY'
               ORDER BY account_id DESC, symbol DESC, side DESC, {_WORST} DESC LIMIT 1)
           END AS opposing_price,
           CASE WHEN asked.counted THEN (
               SELECT count(*) FROM orders WHERE account_id = asked.account_id AND {_RESTING})
           END AS open_orders
    FROM unnest({array_parameters("uuid text text boolean")}) WITH ORDINALITY
         AS asked (account_id, symbol, side, counted, place)
    ORDER BY place
"""  # noqa: S608 - constant parts


@dataclass(frozen=True, slots=True)
class Question:
    """What an account has on the other side of an instrument; with `count`, how many orders of it rest."""

    account_id: UUID
    symbol: str
    side: Side
    count: bool


@dataclass(frozen=True, slots=True)
class Opposition:
    """`opposing_price`: the lowest price of own sales, or the highest of own purchases, that work against the
    asked side; 0 for a sale at any price; None where there are none. `open_orders`: None if not counted."""

    opposing_price: Decimal | None
    open_orders: int | None


@dataclass(frozen=True, slots=True)
class OwnOrders:
    pool: Pool

    async def of(self, questions: Sequence[Question]) -> list[Opposition]:
        """An answer for each, in their order."""
        asked = [(each.account_id, each.symbol, each.side, each.count) for each in questions]
        async with acquire(self.pool) as connection:
            found = await connection.fetch(OWN_ORDERS, *column_arrays(asked))
        return [Opposition(row["opposing_price"], row["open_orders"]) for row in found]
