"""Orders that exist: reading them, and the one way to change them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_events import TOLD, inserting_outbox, outbox_arrays
from hub_order.audit import Record
from hub_order.domain import Change, Execution, Filled, Order, Quote, Report, after_reports, execution_id_of
from hub_order.mapping import Filter
from hub_order.store import rows
from hub_order.store.filters import count_query, page_query
from hub_order.store.outbox import outbox_rows
from hub_postgres import Connection, Pool, acquire, array_parameters, column_arrays, no_rows, transaction
from hub_runtime import crash_point

RESTING_CHANNEL = "orders_resting"

Decide = Callable[[Order, datetime], Sequence[Change]]

ORDER_OF_ACCOUNT = f"SELECT {rows.ORDER} FROM orders WHERE id = $1 AND account_id = $2"  # noqa: S608 - constant columns

EXECUTIONS = """
    SELECT id, order_id, account_id, venue, venue_execution_id, quantity, price, quote_epoch, quote_seq,
           quote_bid, quote_ask, executed_at, venue_time, market_time
    FROM executions WHERE order_id = $1 ORDER BY executed_at, id
"""

RECORDS = """
    SELECT order_id, version, account_id, kind, status, reason, actor, occurred_at, detail, quote,
           prev_hash, hash
    FROM order_events WHERE order_id = $1 ORDER BY version
"""

BY_ID = f"SELECT {rows.ORDER} FROM orders WHERE id = ANY ($1::uuid[])"  # noqa: S608

FILLED_FROM = f"""
    SELECT DISTINCT order_id
    FROM unnest({array_parameters("uuid bigint bigint")}) AS tried (order_id, quote_epoch, quote_seq)
    JOIN executions USING (order_id, quote_epoch, quote_seq)
"""  # noqa: S608

KNOWN_EXECUTIONS = "SELECT id FROM executions WHERE id = ANY ($1::uuid[])"

INSERT_STRAYS = f"""
    INSERT INTO stray_executions (venue, order_id, venue_execution_id, quantity, price, venue_time)
    SELECT * FROM unnest({array_parameters("text uuid text numeric numeric timestamptz")})
    ON CONFLICT DO NOTHING RETURNING order_id
"""  # noqa: S608

AT_VENUE = f"""
    SELECT {rows.ORDER} FROM orders
    WHERE route IS NOT NULL AND id > $1 ORDER BY id LIMIT $2
"""  # noqa: S608

OPEN_OF_ACCOUNT = """
    SELECT id FROM orders
    WHERE account_id = $1 AND ($2 = '' OR symbol = $2)
      AND status IN ('PENDING', 'PROCESSING', 'PARTIALLY_EXECUTED') AND ending = '' ORDER BY id LIMIT $3
"""

EXPIRED = """
    SELECT id FROM orders
    WHERE expires_at <= $1 AND rested AND status IN ('PROCESSING', 'PARTIALLY_EXECUTED') AND ending = ''
    ORDER BY expires_at, id LIMIT $2
"""

TRIGGER_EPOCH = "SELECT coalesce(max(epoch), 0) FROM leaderships WHERE name = 'hub_order trigger'"

LOCK_VERSIONS = """
    SELECT id, version, clock_timestamp() AS now FROM orders
    WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
"""

LOCK = f"""
    SELECT {rows.ORDER}, clock_timestamp() AS now FROM orders
    WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
"""  # noqa: S608

_UPDATES = rows.EXECUTION_WIDTH + 1
_RECORDS = _UPDATES + rows.UPDATE_WIDTH
_OUTBOX = _RECORDS + rows.RECORD_WIDTH
_RESTED = _OUTBOX + 6

# An order with an execution that is known already is left as it is. All of it in one round trip: with few
# orders at a time, statements are what a transaction costs.
WRITE = f"""
    WITH made AS ({rows.INSERT_EXECUTIONS}),
    repeated AS (SELECT order_id FROM unnest($1::text::uuid[], $2::text::uuid[]) AS new (id, order_id)
                 WHERE id NOT IN (SELECT id FROM made)),
    changed AS ({rows.updating_orders(_UPDATES, "new.id NOT IN (SELECT order_id FROM repeated)")}),
    recorded AS ({rows.inserting_records(_RECORDS, "new.order_id NOT IN (SELECT order_id FROM repeated)")}),
    told AS ({inserting_outbox(_OUTBOX, "new.about::uuid NOT IN (SELECT order_id FROM repeated)")})
    SELECT ARRAY(SELECT order_id FROM repeated), (SELECT count(*) FROM changed), {TOLD},
           CASE WHEN ${_RESTED} THEN pg_notify('{RESTING_CHANNEL}', '') END
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Orders:
    pool: Pool

    async def get(self, order_id: UUID, account_id: UUID) -> Order | None:
        async with acquire(self.pool) as connection:
            row = await connection.fetchrow(ORDER_OF_ACCOUNT, order_id, account_id)
        return None if row is None else rows.order(row)

    async def read(self, order_ids: Sequence[UUID]) -> dict[UUID, Order]:
        """As they are now, of whatever account; nothing is locked."""
        async with acquire(self.pool) as connection:
            return {row["id"]: rows.order(row) for row in await connection.fetch(BY_ID, order_ids)}

    async def filled_from(self, quotes: Mapping[UUID, Quote]) -> set[UUID]:
        """Which of these orders have an execution from that quote."""
        if not quotes:
            return set()
        table = [(order_id, quote.epoch, quote.seq) for order_id, quote in quotes.items()]
        async with acquire(self.pool) as connection:
            found = await connection.fetch(FILLED_FROM, *column_arrays(table))
        return {row["order_id"] for row in found}

    async def at_venue(self, *, after: UUID, limit: int) -> list[Order]:
        """Orders that a venue has, in the order of their ids."""
        async with acquire(self.pool) as connection:
            return [rows.order(row) for row in await connection.fetch(AT_VENUE, after, limit)]

    async def open_of(self, account_id: UUID, *, symbol: str, limit: int) -> list[UUID]:
        """Open orders of an account whose end nobody has asked for; of all instruments where none is
        named."""
        async with acquire(self.pool) as connection:
            return [row["id"] for row in await connection.fetch(OPEN_OF_ACCOUNT, account_id, symbol, limit)]

    async def expired(self, market_time: datetime, *, limit: int) -> list[UUID]:
        """Orders that rest although their time is over."""
        async with acquire(self.pool) as connection:
            return [row["id"] for row in await connection.fetch(EXPIRED, market_time, limit)]

    async def page(self, account_id: UUID, wanted: Filter, *, before: UUID | None, limit: int) -> list[Order]:
        """Newest first."""
        query, values = page_query(account_id, wanted, before=before, limit=limit)
        async with acquire(self.pool) as connection:
            return [rows.order(row) for row in await connection.fetch(query, *values)]

    async def count(self, account_id: UUID, wanted: Filter) -> int:
        """Read from an index alone, where only the state is asked for."""
        query, values = count_query(account_id, wanted)
        async with acquire(self.pool) as connection:
            return int(await connection.fetchval(query, *values))

    async def executions(self, order_id: UUID) -> list[Execution]:
        async with acquire(self.pool) as connection:
            return [rows.execution(row) for row in await connection.fetch(EXECUTIONS, order_id)]

    async def records(self, order_id: UUID) -> list[tuple[Record, bytes]]:
        """The order's chain: each record with the hash that is stored beside it."""
        async with acquire(self.pool) as connection:
            return [rows.record(row) for row in await connection.fetch(RECORDS, order_id)]

    async def trigger_epoch(self) -> int:
        """Of the trigger that leads, or led last."""
        async with acquire(self.pool) as connection:
            return int(await connection.fetchval(TRIGGER_EPOCH))

    async def now(self) -> datetime:
        """The database's clock, by which changes are stamped."""
        async with acquire(self.pool) as connection:
            time: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return time

    async def change(
        self,
        order_ids: Sequence[UUID],
        decide: Decide,
        *,
        traces: Mapping[UUID, str] | None = None,
        read: Mapping[UUID, Order] | None = None,
    ) -> list[Change]:
        """Locks the rows, lets `decide` say what becomes of each, and writes all of it in one transaction.
        What was `read` shortly before is read again only where it has changed.

        An order whose execution is known already stays as it is: that quote has filled it before.
        """
        if not order_ids:
            return []
        async with transaction(self.pool) as connection:
            decided = [
                (order, decide(order, now)) for order, now in await locked(connection, order_ids, read)
            ]
            changes = await write(connection, decided, traces or {})
            crash_point("order.change.before_commit")
        crash_point("order.change.after_commit")
        return changes

    async def record(
        self, reports: Mapping[UUID, Sequence[Report]], *, venue: str
    ) -> tuple[list[Change], list[Filled]]:
        """Writes a venue's facts, in one transaction: what changed, and the executions of unknown orders."""
        wanted = set(reports)
        while True:
            async with transaction(self.pool) as connection:
                found = await locked(connection, list(wanted))
                more = {order.successor for order, _ in found if order.successor is not None} - wanted
                if not more:
                    written = await _write_reports(connection, found, reports, venue=venue)
                    crash_point("order.record.before_commit")
            if not more:
                crash_point("order.record.after_commit")
                return written
            # Rows are locked in the order of their ids, all at once.
            wanted |= more


async def _write_reports(
    connection: Connection,
    found: Sequence[tuple[Order, datetime]],
    reports: Mapping[UUID, Sequence[Report]],
    *,
    venue: str,
) -> tuple[list[Change], list[Filled]]:
    fills = [each for some in reports.values() for each in some if isinstance(each, Filled)]
    ids = [execution_id_of(each.order_id, each.venue_execution_id) for each in fills]
    known = {row["id"] for row in await connection.fetch(KNOWN_EXECUTIONS, ids)} if ids else set()
    changes = await write(connection, _decided(found, reports, venue=venue, known=known), {})
    ours = {order.order_id for order, _ in found}
    strays = [fill for fill in fills if fill.order_id not in ours]
    if strays:
        values = [
            (venue, fill.order_id, fill.venue_execution_id, fill.quantity, fill.price, fill.venue_time)
            for fill in strays
        ]
        await connection.execute(INSERT_STRAYS, *column_arrays(values))
    return changes, strays


def _decided(
    found: Sequence[tuple[Order, datetime]],
    reports: Mapping[UUID, Sequence[Report]],
    *,
    venue: str,
    known: Collection[UUID],
) -> list[tuple[Order, list[Change]]]:
    """What becomes of each: what is said of an order may also be about the one in its place."""
    orders = {order.order_id: order for order, _ in found}
    times = {order.order_id: now for order, now in found}
    changes: dict[UUID, list[Change]] = {order_id: [] for order_id in orders}
    for order_id, now in times.items():
        order, told = orders[order_id], reports.get(order_id, ())
        successor = None if order.successor is None else orders[order.successor]
        later = now if successor is None else max(now, times[successor.order_id])
        for change in after_reports(order, told, venue=venue, now=later, known=known, successor=successor):
            changes[change.order.order_id].append(change)
            orders[change.order.order_id] = change.order
    return [(order, changes[order.order_id]) for order, _ in found]


async def locked(
    connection: Connection, order_ids: Sequence[UUID], read: Mapping[UUID, Order] | None = None
) -> list[tuple[Order, datetime]]:
    """The rows that exist, locked in the order of their ids, each with the time of its next change."""
    if read is not None:
        versions = await connection.fetch(LOCK_VERSIONS, order_ids)
        if all(read[row["id"]].version == row["version"] for row in versions):
            return [_timed(read[row["id"]], row["now"]) for row in versions]
    return [_timed(rows.order(row), row["now"]) for row in await connection.fetch(LOCK, order_ids)]


def _timed(order: Order, now: datetime) -> tuple[Order, datetime]:
    return order, max(now, order.updated_at)


async def write(
    connection: Connection, decided: Sequence[tuple[Order, Sequence[Change]]], traces: Mapping[UUID, str]
) -> list[Change]:
    """Of locked rows: executions, orders, records, outbox. What was written."""
    decided = [(order, some) for order, some in decided if some]
    if not decided:
        return []
    changes = [change for _, some in decided for change in some]
    executions = [
        rows.execution_values(change.execution) for change in changes if change.execution is not None
    ]
    [(repeated, changed, *_)] = await connection.fetch(
        WRITE,
        *(column_arrays(executions) if executions else no_rows(rows.EXECUTION_WIDTH)),
        *column_arrays(rows.update_values(order, some[-1].order) for order, some in decided),
        *column_arrays(rows.record_values(change) for change in changes),
        *outbox_arrays([row for change in changes for row in outbox_rows(change, traces)]),
        any(change.order.rested for change in changes),
    )
    left = set(repeated)
    if changed != sum(order.order_id not in left for order, _ in decided):
        raise RuntimeError("a locked order changed its version")
    return [change for change in changes if change.order.order_id not in left]
