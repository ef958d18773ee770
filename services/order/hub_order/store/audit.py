"""The whole history, read as a stream: by orders, by refusals, by days."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import asyncpg

from hub_order.audit import Anchor, Record, Refusal, StoredRefusal
from hub_order.audit.days import Tally, bounds
from hub_order.domain import Execution, Order
from hub_order.store import rows
from hub_postgres import Connection
from hub_postgres.session import close_session, open_session

PAGE = 200
PREFETCH = 1000
STATEMENT_LIMIT_S = 600.0
LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)

# An id counts wherever it stands: what is left of an order that is gone is found too. All read an index.
ORDER_IDS = """
    SELECT id FROM (
        (SELECT id FROM orders WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3)
        UNION (SELECT DISTINCT order_id FROM order_events WHERE order_id BETWEEN $1 AND $2
               ORDER BY order_id LIMIT $3)
        UNION (SELECT DISTINCT order_id FROM executions WHERE order_id BETWEEN $1 AND $2
               ORDER BY order_id LIMIT $3)
    ) AS found (id) ORDER BY id LIMIT $3
"""

ORDER_IDS_SINCE = """
    SELECT order_id FROM order_events WHERE recorded_at >= $1
    UNION SELECT order_id FROM executions WHERE executed_at >= $1
    ORDER BY order_id
"""

LAST_ORDER_ID = """
    SELECT greatest((SELECT id FROM orders ORDER BY id DESC LIMIT 1),
                    (SELECT order_id FROM order_events ORDER BY order_id DESC LIMIT 1),
                    (SELECT order_id FROM executions ORDER BY order_id DESC LIMIT 1))
"""

ORDERS = f"SELECT {rows.ORDER} FROM orders WHERE id = ANY ($1::uuid[])"  # noqa: S608 - constant columns

_RECORD = """
    order_id, version, account_id, kind, status, reason, actor, occurred_at, detail, quote, prev_hash, hash
"""

RECORDS = f"""
    SELECT {_RECORD} FROM order_events WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id, version
"""  # noqa: S608

_EXECUTION = """
    id, order_id, account_id, venue, venue_execution_id, quantity, price, quote_epoch, quote_seq, quote_bid,
    quote_ask, executed_at, venue_time, market_time
"""

EXECUTIONS = f"""
    SELECT {_EXECUTION} FROM executions WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id, executed_at, id
"""  # noqa: S608

REFUSALS = """
    SELECT order_id, number, account_id, request, code, field, sentence, actor, occurred_at, detail, quote,
           prev_hash, hash
    FROM refusals
"""
ALL_REFUSALS = f"{REFUSALS} ORDER BY order_id, number"
REFUSALS_OF_ORDER = f"{REFUSALS} WHERE order_id = $1 ORDER BY number"
REFUSALS_SINCE = f"{REFUSALS} WHERE recorded_at >= $1 ORDER BY order_id, number"

# A day is what the database's clock said when a row was added.
RECORDS_OF_DAY = """
    SELECT order_id, version, hash FROM order_events WHERE recorded_at >= $1 AND recorded_at < $2
    ORDER BY order_id, version
"""
REFUSALS_OF_DAY = """
    SELECT order_id, number, hash FROM refusals WHERE recorded_at >= $1 AND recorded_at < $2
    ORDER BY order_id, number
"""
EXECUTIONS_OF_DAY = f"""
    SELECT {_EXECUTION} FROM executions WHERE executed_at >= $1 AND executed_at < $2 ORDER BY executed_at, id
"""  # noqa: S608

FIRST_MOMENT = """
    SELECT least((SELECT min(recorded_at) FROM order_events), (SELECT min(recorded_at) FROM refusals),
                 (SELECT min(executed_at) FROM executions))
"""


@dataclass(slots=True)
class OrderFile:
    """All there is of one order id, in one snapshot."""

    order_id: UUID
    order: Order | None = None
    records: list[tuple[Record, bytes]] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class History:
    """Reads by two sessions of its own, which may not write: one walks along, one looks at what is met."""

    walk: Connection
    look: Connection

    async def all_orders(self) -> AsyncGenerator[OrderFile, None]:
        """Those that are there at the start, by id. Each page is a transaction, so that none lasts long."""
        first, last = LOWEST, await self.look.fetchval(LAST_ORDER_ID)
        while last is not None:
            found = await self.look.fetch(ORDER_IDS, first, last, PAGE)
            for file in await self.files([row["id"] for row in found]):
                yield file
            if len(found) < PAGE or found[-1]["id"] == HIGHEST:
                return
            first = UUID(int=found[-1]["id"].int + 1)

    async def orders_since(self, since: datetime) -> AsyncGenerator[OrderFile, None]:
        """Those to which something happened since then."""
        page: list[UUID] = []
        async with self.walk.transaction(isolation="repeatable_read", readonly=True):
            async for row in self.walk.cursor(ORDER_IDS_SINCE, since, prefetch=PREFETCH):
                page.append(row["order_id"])
                if len(page) == PAGE:
                    for file in await self.files(page):
                        yield file
                    page = []
        for file in await self.files(page):
            yield file

    async def files(self, order_ids: Sequence[UUID]) -> list[OrderFile]:
        """An order that changes meanwhile is seen as it was before, with all that belongs to it."""
        files = {order_id: OrderFile(order_id) for order_id in order_ids}
        async with self.look.transaction(isolation="repeatable_read", readonly=True):
            for row in await self.look.fetch(ORDERS, order_ids):
                files[row["id"]].order = rows.order(row)
            for row in await self.look.fetch(RECORDS, order_ids):
                files[row["order_id"]].records.append(rows.record(row))
            for row in await self.look.fetch(EXECUTIONS, order_ids):
                files[row["order_id"]].executions.append(rows.execution(row))
        return list(files.values())

    async def refusals(
        self, *, since: datetime | None = None, order_id: UUID | None = None
    ) -> AsyncGenerator[StoredRefusal, None]:
        """By order id and number."""
        query, arguments = ALL_REFUSALS, list[object]()
        if order_id is not None:
            query, arguments = REFUSALS_OF_ORDER, [order_id]
        elif since is not None:
            query, arguments = REFUSALS_SINCE, [since]
        async with self.walk.transaction(isolation="repeatable_read", readonly=True):
            async for row in self.walk.cursor(query, *arguments, prefetch=PREFETCH):
                yield _refusal(row)

    async def first_day(self) -> date | None:
        """The day of the first thing that was ever recorded."""
        moment: datetime | None = await self.look.fetchval(FIRST_MOMENT)
        return None if moment is None else moment.date()

    async def day(self, day: date, *, prev_digest: bytes) -> Anchor:
        """What is recorded of a day, in one snapshot."""
        orders, last = 0, None
        records, refusals, executions = Tally(), Tally(), Tally()
        async with self.walk.transaction(isolation="repeatable_read", readonly=True):
            async for row in self.walk.cursor(RECORDS_OF_DAY, *bounds(day), prefetch=PREFETCH):
                orders += row["order_id"] != last
                last = row["order_id"]
                records.add(last, row["version"], row["hash"].hex())
            async for row in self.walk.cursor(REFUSALS_OF_DAY, *bounds(day), prefetch=PREFETCH):
                refusals.add(row["order_id"], row["number"], row["hash"].hex())
            async for row in self.walk.cursor(EXECUTIONS_OF_DAY, *bounds(day), prefetch=PREFETCH):
                executions.add(*row.values())
        return Anchor(
            day=day,
            orders=orders,
            records=records.count,
            refusals=refusals.count,
            executions=executions.count,
            records_digest=records.digest,
            refusals_digest=refusals.digest,
            executions_digest=executions.digest,
            prev_digest=prev_digest,
        )


@asynccontextmanager
async def reading(url: str, password: str) -> AsyncIterator[History]:
    """With the service's own role. A day may take minutes to read, so the pool's short limits do not hold."""
    walk = await _session(url, password)
    try:
        look = await _session(url, password)
        try:
            yield History(walk, look)
        finally:
            await close_session(look)
    finally:
        await close_session(walk)


async def _session(url: str, password: str) -> Connection:
    session = await open_session(url, password, "hub_order audit", STATEMENT_LIMIT_S)
    await session.execute("SET default_transaction_read_only = on; SET jit = off; SET enable_seqscan = off")
    return session


def _refusal(row: asyncpg.Record) -> StoredRefusal:
    refusal = Refusal(
        order_id=row["order_id"],
        account_id=row["account_id"],
        request=row["request"],
        code=row["code"],
        field=row["field"],
        sentence=row["sentence"],
        actor=row["actor"],
        occurred_at=row["occurred_at"],
        detail=json.loads(row["detail"]),
        quote=None if row["quote"] is None else json.loads(row["quote"]),
    )
    return StoredRefusal(refusal, row["number"], row["prev_hash"], row["hash"])
