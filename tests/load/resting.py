"""`make bench-resting`: how many quotes the trigger holds against 1,000, 100,000 and 1,000,000 resting orders
of all types, how long it takes to read them from a real database, and how much memory they need.

Prints for people; the last line is one JSON object. Each size is measured in processes of their own. A second
of ticks is one of the process's own time on a core, so that other work on the machine changes little.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import asyncpg

from hub_local.faults import StackError
from tests.load.resting_run import SYMBOLS
from tests.support.folders import server_folder
from tests.support.servers import Database, ServerRoom

SIZES = (1_000, 100_000, 1_000_000)
CHUNK = 100_000
ACCOUNTS = 20_000
STRETCHES = 20

# Near the market (100) there is one order for each symbol, which every twentieth quote of a busy run reaches.
# All others are farther away than any quote of it goes: `far` is 4 to 29.
INSERT = f"""
    INSERT INTO orders (
        id, account_id, user_id, symbol, side, type, time_in_force, quantity, limit_price, stop_price,
        trail_amount, trail_percent, protection_price, hold_id, body_hash, traceparent, status, reason,
        filled_quantity, filled_value, execution_count, rested, version, chain, accepted_at, updated_at)
    SELECT lpad(to_hex(n), 32, '0')::uuid, md5((n % {ACCOUNTS})::text)::uuid,
           md5((n % {ACCOUNTS})::text)::uuid, 'S' || lpad((n % {SYMBOLS})::text, 4, '0'), side, type,
           'GTC', 10,
           CASE type WHEN 'STOP_LIMIT' THEN 99 - far WHEN 'LIMIT' THEN
               CASE WHEN near THEN 98 WHEN side = 'BUY' THEN 100 - far ELSE 100 + far END END,
           CASE WHEN type IN ('STOP_LOSS', 'STOP_LIMIT') THEN
               CASE side WHEN 'BUY' THEN 100 + far ELSE 100 - far END END,
           CASE kind WHEN 7 THEN far END, CASE WHEN kind IN (8, 9) THEN far END,
           CASE WHEN type IN ('STOP_LOSS', 'TRAILING_STOP') AND side = 'BUY' THEN 150 END,
           md5('h' || n)::uuid, '\\x00', '00-' || md5('t' || n) || '-' || left(md5('s' || n), 16) || '-00',
           'PROCESSING', '', 0, 0, 0, true, 2, decode(md5('c' || n), 'hex'),
           now() - (n % {STRETCHES}) * interval '1 hour' - interval '30 minutes', now()
    FROM (SELECT *, 4 + (hashint8(n)::bigint + 2147483648) % 2500 / 100.0 AS far,
                 CASE WHEN near OR kind IN (0, 1, 5, 8) THEN 'BUY' ELSE 'SELL' END AS side,
                 CASE WHEN near OR kind < 4 THEN 'LIMIT' WHEN kind IN (4, 5) THEN 'STOP_LOSS'
                      WHEN kind = 6 THEN 'STOP_LIMIT' ELSE 'TRAILING_STOP' END AS type
          FROM (SELECT n, n / {SYMBOLS} % 10 AS kind, n < {SYMBOLS} AS near
                FROM generate_series($1::bigint, $2::bigint - 1) AS series (n)) AS numbers) AS terms
"""

# The longer ago, the farther away the market was: trailing stops have many marks.
INSERT_STRETCHES = f"""
    INSERT INTO quote_extremes (symbol, starts_at, high_bid, low_ask)
    SELECT 'S' || lpad(s::text, 4, '0'), now() - h * interval '1 hour', 100.8 + h / 100.0, 99.2 - h / 100.0
    FROM generate_series(0, {SYMBOLS} - 1) AS s, generate_series(1, {STRETCHES}) AS h
"""

# The trigger does not read by them, and inserting goes faster without.
DROP_INDEXES = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT indexrelid::regclass FROM pg_index
                    WHERE indrelid = 'orders'::regclass AND NOT indisprimary AND
                          indexrelid::regclass::text NOT IN ('orders_resting', 'orders_rested')
                          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
        LOOP EXECUTE 'DROP INDEX ' || name; END LOOP;
    END $$
"""


def say(text: str) -> None:
    print(text, flush=True)


async def insert(database: Database, first: int, last: int) -> None:
    connection = await asyncpg.connect(database.superuser.dsn)
    try:
        await connection.execute("SET synchronous_commit = off")
        if not first:
            await connection.execute(INSERT_STRETCHES)
            await connection.execute(DROP_INDEXES)
        for start in range(first, last, CHUNK):
            await connection.execute(INSERT, start, min(start + CHUNK, last), timeout=300)
        await connection.execute("ANALYZE orders", timeout=300)
    finally:
        await connection.close()


async def measured(database: Database, size: int, *, one: bool) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.load.resting_run", str(size), *(["one"] if one else [])),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "DATABASE": database.runtime.url, "PASSWORD": database.runtime.password},
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise StackError(f"the run with {size} orders ended with {process.returncode}")
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


async def run() -> dict[str, float]:
    figures: dict[str, float] = {}
    with server_folder() as folder:
        room = ServerRoom(folder / "servers")
        try:
            postgres = await room.start_postgres()
            database = await postgres.create("hub_order")
            there = 0
            for size in SIZES:
                await insert(database, there, size)
                there = size
                figures |= await one_size(database, size)
        finally:
            await room.stop()
    figures["ratio_1m_to_1k"] = round(figures["ticks_per_s_1000000"] / figures["ticks_per_s_1000"], 2)
    return figures


async def one_size(database: Database, size: int) -> dict[str, float]:
    many = await measured(database, size, one=False)
    single = await measured(database, size, one=True)
    say(f"\n{size:,} resting orders")
    read = f"{many['load_s']:.2f} s ({many['load_cpu_s']:.2f} s on a core)"
    say(f"  read in {read}, the process has {many['rss_mb']:.0f} MB then")
    for where, found in ((f"{SYMBOLS} instruments", many), ("one instrument", single)):
        say(f"  {where:<16} {found['quiet']:>8,.0f} ticks/s that trigger nothing")
        say(f"  {'':<16} {found['busy']:>8,.0f} ticks/s of which every 20th triggers an order")
    # The figure is that of the hardest of the four.
    slowest = min(each[name] for each in (many, single) for name in ("quiet", "busy"))
    return {
        f"ticks_per_s_{size}": round(slowest),
        f"ticks_per_s_quiet_{size}": round(many["quiet"]),
        f"rss_mb_{size}": round(many["rss_mb"]),
        f"load_s_{size}": round(many["load_s"], 2),
        f"load_cpu_s_{size}": round(many["load_cpu_s"], 2),
    }


if __name__ == "__main__":
    try:
        say(json.dumps(asyncio.run(run())))
    except StackError as error:
        sys.exit(str(error))
