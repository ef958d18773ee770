"""What the trigger reads and keeps: the orders that rest, and how far the market went."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from hub_order.domain import OrderType, Side, Status
from hub_order.resting import Entry, Stretch, Unsaved, entry, units
from hub_order.resting.entry import price_of
from hub_postgres import Pool, acquire, array_parameters, column_arrays, transaction

LEADERSHIP = "hub_order trigger"

_ENTRY = """
    id, account_id, symbol, side, type, limit_price, stop_price, trail_amount, trail_percent, traceparent,
    status, route IS NOT NULL AS routed, triggered_at IS NOT NULL AS triggered, version, accepted_at,
    extended_hours
"""

ALL_RESTING = f"""
    SELECT {_ENTRY} FROM orders
    WHERE status IN ('PROCESSING', 'PARTIALLY_EXECUTED') AND ($1::uuid IS NULL OR id > $1)
    ORDER BY id LIMIT $2
"""  # noqa: S608 - constant columns

RESTED_SINCE = f"""
    SELECT {_ENTRY}, updated_at FROM orders
    WHERE rested AND (updated_at, id) > ($1, $2) ORDER BY updated_at, id LIMIT $3
"""  # noqa: S608

THESE = f"SELECT {_ENTRY} FROM orders WHERE id = ANY ($1::uuid[])"  # noqa: S608

# One statement: what a trigger that has been replaced still wants to say is not written.
KEEP_STRETCHES = f"""
    INSERT INTO quote_extremes AS kept (symbol, starts_at, high_bid, low_ask)
    SELECT * FROM unnest({array_parameters("text timestamptz numeric numeric", 3)})
    WHERE EXISTS (SELECT FROM leaderships WHERE name = $1 AND epoch = $2)
    ON CONFLICT (symbol, starts_at) DO UPDATE
    SET high_bid = greatest(kept.high_bid, excluded.high_bid), low_ask = least(kept.low_ask, excluded.low_ask)
"""  # noqa: S608

DROP_STRETCHES = f"""
    DELETE FROM quote_extremes
    USING unnest({array_parameters("text timestamptz", 3)}) AS gone (symbol, starts_at)
    WHERE quote_extremes.symbol = gone.symbol AND quote_extremes.starts_at = gone.starts_at
      AND EXISTS (SELECT FROM leaderships WHERE name = $1 AND epoch = $2)
"""  # noqa: S608

DROP_SYMBOLS = """
    DELETE FROM quote_extremes WHERE symbol = ANY ($3::text[])
      AND EXISTS (SELECT FROM leaderships WHERE name = $1 AND epoch = $2)
"""

STRETCHES = """
    SELECT symbol, starts_at, high_bid, low_ask FROM quote_extremes
    WHERE (symbol, starts_at) > ($1, $2) ORDER BY symbol, starts_at LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Resting:
    pool: Pool

    async def all(self, *, after: UUID | None, limit: int) -> list[Entry]:
        """Open orders in the order of their ids; those that a venue keeps say that they do not rest."""
        async with acquire(self.pool) as connection:
            return [_entry(row) for row in await connection.fetch(ALL_RESTING, after, limit)]

    async def changed_since(
        self, since: datetime, after: UUID, *, limit: int
    ) -> tuple[list[Entry], tuple[datetime, UUID]]:
        """Orders that rest or have rested, by their last change: what follows that time and id, and how far
        this came."""
        async with acquire(self.pool) as connection:
            found = await connection.fetch(RESTED_SINCE, since, after, limit)
        last = (found[-1]["updated_at"], found[-1]["id"]) if found else (since, after)
        return [_entry(row) for row in found], last

    async def these(self, order_ids: Sequence[UUID]) -> list[Entry]:
        async with acquire(self.pool) as connection:
            return [_entry(row) for row in await connection.fetch(THESE, order_ids)]

    async def now(self) -> datetime:
        """The database's clock, by which changes are stamped."""
        async with acquire(self.pool) as connection:
            time: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return time

    async def stretches(self, *, after: tuple[str, datetime], limit: int) -> list[tuple[str, Stretch]]:
        """Those that were kept, by symbol and time, in keyset pages."""
        async with acquire(self.pool) as connection:
            found = await connection.fetch(STRETCHES, *after, limit)
        return [
            (row["symbol"], (row["starts_at"], units(row["high_bid"]), units(row["low_ask"])))
            for row in found
        ]

    async def keep(self, unsaved: Unsaved, *, epoch: int) -> None:
        """Writes nothing for an epoch that is over."""
        who = (LEADERSHIP, epoch)
        async with transaction(self.pool) as connection:
            if unsaved.ended:
                await connection.execute(DROP_SYMBOLS, *who, unsaved.ended)
            if unsaved.changed:
                values = [
                    (name, at, price_of(high), price_of(low)) for name, (at, high, low) in unsaved.changed
                ]
                await connection.execute(KEEP_STRETCHES, *who, *column_arrays(values))
            if unsaved.gone:
                await connection.execute(DROP_STRETCHES, *who, *column_arrays(unsaved.gone))


_SIDES = {str(side): side for side in Side}
_TYPES = {str(type_): type_ for type_ in OrderType}
_STATUSES = {str(status): status for status in Status}


def _entry(row: asyncpg.Record) -> Entry:
    return entry(
        order_id=row["id"],
        account_id=row["account_id"],
        traceparent=row["traceparent"],
        version=row["version"],
        symbol=sys.intern(row["symbol"]),
        side=_SIDES[row["side"]],
        type=_TYPES[row["type"]],
        status=_STATUSES[row["status"]],
        routed=row["routed"],
        triggered=row["triggered"],
        limit_price=row["limit_price"],
        stop_price=row["stop_price"],
        trail_amount=row["trail_amount"],
        trail_percent=row["trail_percent"],
        accepted_at=row["accepted_at"],
        extended_hours=row["extended_hours"],
    )
