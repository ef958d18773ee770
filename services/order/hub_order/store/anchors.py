"""The anchors of the days."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from hub_order.audit import Anchor
from hub_postgres import Pool, acquire

_ANCHOR = """
    day, orders, records, refusals, executions, records_digest, refusals_digest, executions_digest,
    prev_digest, digest
"""

LAST = f"SELECT {_ANCHOR} FROM audit_anchors ORDER BY day DESC LIMIT 1"  # noqa: S608 - constant columns
PAGE = f"SELECT {_ANCHOR} FROM audit_anchors WHERE day >= $1 ORDER BY day LIMIT $2"  # noqa: S608

INSERT = f"""
    INSERT INTO audit_anchors ({_ANCHOR}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT DO NOTHING
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Anchors:
    pool: Pool

    async def now(self) -> datetime:
        """The clock by which rows are recorded."""
        async with acquire(self.pool) as connection:
            time: datetime = await connection.fetchval("SELECT now()")
        return time

    async def last(self) -> Anchor | None:
        async with acquire(self.pool) as connection:
            row = await connection.fetchrow(LAST)
        return None if row is None else _anchor(row)

    async def add(self, anchor: Anchor) -> bool:
        """False when there is one of that day already."""
        values = (anchor.day, anchor.orders, anchor.records, anchor.refusals, anchor.executions)
        digests = (
            anchor.records_digest,
            anchor.refusals_digest,
            anchor.executions_digest,
            anchor.prev_digest,
        )
        async with acquire(self.pool) as connection:
            status: str = await connection.execute(INSERT, *values, *digests, anchor.digest)
        return status == "INSERT 0 1"

    async def from_day(self, day: date, *, page: int = 100) -> AsyncGenerator[tuple[Anchor, bytes], None]:
        """Each with the digest that is stored beside it, oldest first."""
        while True:
            async with acquire(self.pool) as connection:
                found = await connection.fetch(PAGE, day, page)
            for row in found:
                yield _anchor(row), row["digest"]
            if len(found) < page:
                return
            day = date.fromordinal(found[-1]["day"].toordinal() + 1)


def _anchor(row: asyncpg.Record) -> Anchor:
    return Anchor(**{name: row[name] for name in Anchor.__dataclass_fields__})
