"""`make bench-cuts`: what a cut of a ledger costs, of an account with a million postings in two years: each
month's as statements ask for them, one after the other, and the running one's; and what checking its books
costs.

Prints for people; the last line is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from hub_local.faults import StackError
from hub_portfolio.domain.month import Month
from hub_position.store import Activities, Cuts
from hub_position.store.reconciling import Reconciling
from hub_postgres import connect_pool
from tests.support.folders import server_folder
from tests.support.servers import Database, ServerRoom

MONTHS: Final = 24
FIRST: Final = Month.of(datetime(2024, 1, 15, tzinfo=UTC))
TRADES: Final = 250_000  # four postings each
CHUNK: Final = 25_000
MORE: Final = 1_000
CHECK_S: Final = 300.0
ACCOUNT: Final = UUID(int=1)
CASH: Final = 100_000_000
LINES: Final = 500  # as many as portfolio asks for at once

_POSITION, _NAME = "md5('position' || t % 20)::uuid", "'S' || t % 20"
_TRADE, _SETTLEMENT = "md5('trade' || t)::uuid", "md5('settlement' || t)::uuid"
_TIME = f"timestamptz '{FIRST.starts_at.isoformat()}' + interval '1 hour' + t * interval '251 seconds'"

OPENING: Final = (
    f"""INSERT INTO accounts (account_id, user_id, opened_at, cash_settled)
        VALUES ('{ACCOUNT}', '{ACCOUNT}', '{FIRST.starts_at.isoformat()}', {CASH} - {TRADES} * 100)""",
    f"""INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount, posted_at)
        SELECT '{ACCOUNT}', '{ACCOUNT}', 'deposit', line, amount, '{FIRST.starts_at.isoformat()}'
        FROM (VALUES ('external', -{CASH}), ('cash_settled', {CASH})) AS lines (line, amount)""",
    f"""INSERT INTO positions (position_id, account_id, symbol, quantity, total_cost, realised_pnl, fees,
                               status, last_executed_at, last_trade_id, version, opened_at, updated_at)
        SELECT {_POSITION}, '{ACCOUNT}', {_NAME}, {TRADES} / 20, {TRADES} / 20 * 100, 0, 0, 'ACTIVE',
               {_TIME}, {_TRADE}, 1, {_TIME}, {_TIME}
        FROM generate_series({TRADES} - 19, {TRADES}) AS t""",
)
PAST: Final = (
    f"""INSERT INTO trades (trade_id, account_id, position_id, order_id, hold_id, symbol, side, quantity,
                            price, gross, fee, net_cash, cost_removed, realised_gross, realised_net,
                            executed_at, market_time, settles_on, settled_at)
        SELECT {_TRADE}, '{ACCOUNT}', {_POSITION}, {_TRADE}, {_TRADE}, {_NAME}, 'BUY', 1, 100, 100, 0, -100,
               0, 0, 0, {_TIME}, {_TIME}, ({_TIME})::date, {_TIME}
        FROM generate_series($1::int, $2::int) AS t""",
    f"""INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount, symbol, trade_id,
                              posted_at)
        SELECT CASE kind WHEN 'trade' THEN {_TRADE} ELSE {_SETTLEMENT} END, '{ACCOUNT}', kind, line, amount,
               {_NAME}, {_TRADE}, {_TIME}
        FROM generate_series($1::int, $2::int) AS t,
             (VALUES (1, 'trade', 'cash_unsettled', -100), (2, 'trade', 'securities', 100),
                     (3, 'settlement', 'cash_unsettled', 100), (4, 'settlement', 'cash_settled', -100)
             ) AS lines (place, kind, line, amount)
        ORDER BY t, place""",
)

MORE_OWNED: Final = (
    f"UPDATE accounts SET cash_settled = cash_settled - {MORE} * 100",
    f"""UPDATE positions SET quantity = quantity + {MORE} / 20, total_cost = total_cost + {MORE} / 20 * 100,
            version = version + 1, last_executed_at = {_TIME}, last_trade_id = {_TRADE}
        FROM generate_series({TRADES} + {MORE} - 19, {TRADES} + {MORE}) AS t
        WHERE position_id = {_POSITION}""",
)


async def insert_past(superuser_dsn: str) -> None:
    connection = await asyncpg.connect(superuser_dsn)
    try:
        await connection.execute("SET synchronous_commit = off")
        for statement in OPENING:
            await connection.execute(statement)
        for first in range(1, TRADES + 1, CHUNK):
            for statement in PAST:
                await connection.execute(statement, first, first + CHUNK - 1, timeout=300)
        await connection.execute("VACUUM ANALYZE", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()


async def insert_more(superuser_dsn: str) -> None:
    """What an account does between two checks."""
    connection = await asyncpg.connect(superuser_dsn)
    try:
        for statement in PAST:
            await connection.execute(statement, TRADES + 1, TRADES + MORE)
        for statement in MORE_OWNED:
            await connection.execute(statement)
    finally:
        await connection.close()


async def measured(database: Database) -> dict[str, Any]:
    pool = await connect_pool(database.runtime.url, database.runtime.password, size=4)
    async with pool:
        cuts, through, spent, cuts_of = Cuts(pool), 0, list[float](), [0]
        for month in FIRST.through(_last()):
            began = time.perf_counter()
            cut = await cuts.cut(ACCOUNT, through, month.ends_at)
            spent.append((time.perf_counter() - began) * 1000)
            through = cut.sums.through if cut is not None else through
            cuts_of.append(through)
        running = list[float]()
        for _ in range(5):
            began = time.perf_counter()
            last = await cuts.cut(ACCOUNT, through, None)
            running.append((time.perf_counter() - began) * 1000)
        if last is None or sum(each.owned.quantity for each in last.positions) != TRADES:
            raise StackError("the cut is not what is held")
        print(f"  months, one after the other: {' '.join(f'{each:.0f}' for each in spent)} ms", flush=True)
        print(f"  the running month: {' '.join(f'{each:.0f}' for each in running)} ms", flush=True)
        began, lines, after = time.perf_counter(), 0, cuts_of[-2]
        while page := await Activities(pool).between(ACCOUNT, after, cuts_of[-1], limit=LINES):
            lines, after = lines + len(page), page[-1].activity_id
        reading = time.perf_counter() - began
        print(f"  the lines of the last month: {lines:,} in {reading:.2f} s", flush=True)
        began = time.perf_counter()
        checked = await Reconciling(pool).check([ACCOUNT], limit_s=CHECK_S)
        checking = time.perf_counter() - began
        print(f"  CheckBooks from the beginning: {checking:.1f} s (30 s at most)", flush=True)
        await insert_more(database.superuser.dsn)
        began = time.perf_counter()
        since = await Reconciling(pool).check([ACCOUNT], since=True, limit_s=CHECK_S)
        checking_more = time.perf_counter() - began
        print(f"  of {MORE:,} trades since then: {checking_more * 1000:.0f} ms", flush=True)
    return {
        "first_month_ms": round(spent[0], 1),
        "middle_month_ms": round(statistics.median(spent), 1),
        "last_month_ms": round(spent[-1], 1),
        "running_month_ms": round(statistics.median(running), 1),
        "lines_per_s": round(lines / reading),
        "check_s": round(checking, 1),
        "check_since_ms": round(checking_more * 1000, 1),
        "differences": len(checked.differences) + len(since.differences),
    }


def _last() -> Month:
    month = FIRST
    for _ in range(MONTHS - 1):
        month = month.next
    return month


async def run() -> dict[str, Any]:
    with server_folder() as folder:
        room = ServerRoom(folder / "servers")
        try:
            postgres = await room.start_postgres(durable=True)
            database = await postgres.create("hub_position")
            print(f"{TRADES * 4:,} postings of an account in {MONTHS} months are written", flush=True)
            await insert_past(database.superuser.dsn)
            return await measured(database)
        finally:
            await room.stop()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run())))
