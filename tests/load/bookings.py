"""`make bench-books`: what it costs to book an execution and to answer a summary, with a past of a million
trades and without one; and how many executions one position worker books a second, beside pgbench doing the
same writes.

Prints for people; the last line is one JSON object. Costs are the middle of many, taken one at a time in this
process; the worker is a process of its own, which finds all its executions at the broker when it starts.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from hub_events import POSITIONS, Amqp, pack
from hub_events.topology import shard_of
from hub_local.faults import StackError
from hub_position.worker import handle
from hub_postgres import Pool, connect_pool
from hub_runtime import set_up_logging, utc_now
from tests.load.fills import Fill, fills, hold
from tests.load.past import insert_past
from tests.load.summaries import Asker, asker
from tests.position.days import market
from tests.support.folders import server_folder
from tests.support.servers import Database, Postgres, RabbitMQ, ServerRoom

TIMES = 300
ROUNDS = 3
BATCH = 64
PER_MESSAGE = 13  # what the relay packs under load
WORKED = 40_000
BATCHES = 600  # of pgbench
SCRIPT = Path(__file__).with_name("bookings.sql")

# Every account's balances are the sums of its postings, every position is that of its trades.
DIFFERENCES = """
    SELECT (SELECT count(*) FROM accounts FULL JOIN (
                SELECT account_id,
                       coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_settled'), 0) AS settled,
                       coalesce(sum(amount) FILTER (WHERE ledger_account = 'cash_unsettled'), 0) AS unsettled,
                       sum(amount) AS everything
                FROM postings GROUP BY account_id) AS sums USING (account_id)
            WHERE (cash_settled, cash_unsettled, 0) IS DISTINCT FROM (settled, unsettled, everything)
              AND (cash_settled <> 0 OR cash_unsettled <> 0 OR sums.account_id IS NOT NULL))
         + (SELECT count(*) FROM positions FULL JOIN (
                SELECT position_id, sum(quantity) AS bought, sum(gross) AS cost FROM trades GROUP BY 1)
            AS sums USING (position_id) WHERE (quantity, total_cost) IS DISTINCT FROM (bought, cost))
         + (SELECT count(*) FROM accounts JOIN (
                SELECT account_id, sum(remaining) AS remaining FROM holds WHERE closed_at IS NULL GROUP BY 1)
            AS sums USING (account_id) WHERE held <> remaining)
"""


def say(text: str) -> None:
    print(text, flush=True)


def middle_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


async def apply_costs(pool: Pool, superuser_dsn: str, numbers: itertools.count[int]) -> dict[str, float]:
    """Milliseconds for a batch of one and for one of `BATCH`."""
    calendar, found = market(), {}
    for size, times in ((1, TIMES), (BATCH, TIMES // 6)):
        start = next(numbers) * 100_000
        orders = list(fills(size * times, start))
        await hold(superuser_dsn, orders)
        spent = []
        for first in range(0, len(orders), size):
            events = [order.event(utc_now()) for order in orders[first : first + size]]
            began = time.perf_counter()
            await handle(events, pool=pool, market=calendar, deposit=Decimal(0), clock=utc_now)
            spent.append(time.perf_counter() - began)
        found[f"apply_{size}"] = middle_ms(spent[len(spent) // 6 :])
    return found


async def summary_cost(asking: Asker) -> dict[str, float]:
    spent = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await asking.summary()
        spent.append(time.perf_counter() - began)
    return {"summary": middle_ms(spent[TIMES // 6 :])}


async def worked(database: Database, broker: RabbitMQ, orders: list[Fill]) -> dict[str, float]:
    """One worker books these orders' executions, which wait for it."""
    await hold(database.superuser.dsn, orders)
    await _publish(broker, orders)
    environment = {
        **os.environ,
        "HUB_DATABASE_URL": database.runtime.url,
        "HUB_DATABASE_PASSWORD_FILE": str(database.runtime.password_file),
        "HUB_AMQP_URL": broker.login.url,
        "HUB_AMQP_PASSWORD_FILE": str(broker.login.password_file),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.load.bookings_worker", str(len(orders))),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    _, told = await process.communicate()
    if process.returncode:
        raise StackError(f"the worker ended with {process.returncode}\n{told.decode()[-2000:]}")
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


async def _publish(broker: RabbitMQ, orders: list[Fill]) -> None:
    """As the relay does: messages of several events of one shard."""
    amqp = Amqp(broker.login.url, broker.login.password, name="bench")
    by_shard: dict[int, list[Fill]] = {}
    for order in orders:
        by_shard.setdefault(shard_of(str(order.account_id)), []).append(order)
    async with amqp.link("fills") as link:
        for owned in by_shard.values():
            key = POSITIONS.key("updates", str(owned[0].account_id))
            for first in range(0, len(owned), PER_MESSAGE * BATCH):
                part = owned[first : first + PER_MESSAGE * BATCH]
                await asyncio.gather(
                    *(
                        link.publish(POSITIONS.name, key, _packed(part[at : at + PER_MESSAGE]))
                        for at in range(0, len(part), PER_MESSAGE)
                    )
                )


def _packed(orders: Sequence[Fill]) -> bytes:
    return pack(order.event(utc_now()).SerializeToString() for order in orders)


async def pgbench(database: Database, clients: int, numbers: itertools.count[int]) -> float:
    """Executions a second of the same writes, in batches of the same size."""
    await _prepare(database, numbers)
    process = await asyncio.create_subprocess_exec(
        *(_pgbench(), "-n", "-M", "prepared", "-f", str(SCRIPT)),
        *("-c", str(clients), "-t", str(BATCHES // clients)),
        database.superuser.dsn,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise StackError(f"pgbench ended with {process.returncode}\n{output.decode()[-2000:]}")
    [line] = [line for line in output.decode().splitlines() if line.startswith("tps")]
    return float(line.split()[2]) * BATCH


async def _prepare(database: Database, numbers: itertools.count[int]) -> None:
    orders = list(fills(BATCH * BATCHES, next(numbers) * 100_000))
    await hold(database.superuser.dsn, orders)
    connection = await asyncpg.connect(database.superuser.dsn)
    try:
        await connection.execute("DROP TABLE IF EXISTS bench_fills; DROP SEQUENCE IF EXISTS bench_batches")
        await connection.execute("CREATE SEQUENCE bench_batches")
        await connection.execute(
            "CREATE TABLE bench_fills (batch bigint, fill_id uuid, account_id uuid, symbol text, "
            "position_id uuid DEFAULT gen_random_uuid(), "
            "envelope bytea DEFAULT decode(repeat('ab', 180), 'hex'))"
        )
        rows = [
            (number // BATCH + 1, order.order_id, order.account_id, order.symbol)
            for number, order in enumerate(orders)
        ]
        columns = ["batch", "fill_id", "account_id", "symbol"]
        await connection.copy_records_to_table("bench_fills", records=rows, columns=columns)
        await connection.execute("CREATE INDEX ON bench_fills (batch); ANALYZE bench_fills")
        await connection.execute("CHECKPOINT", timeout=300)
    finally:
        await connection.close()


def _pgbench() -> str:
    """Debian keeps it beside the server."""
    found = shutil.which("pgbench") or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"), reverse=True)), None
    )
    if found is None:
        raise StackError("pgbench is not installed: it comes with PostgreSQL")
    return found


async def differences(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(DIFFERENCES, timeout=300))
    finally:
        await connection.close()


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[Postgres, RabbitMQ]]:
    with server_folder() as folder:
        room = ServerRoom(folder / "servers")
        try:
            yield await room.start_postgres(durable=True), await room.start_rabbitmq()
        finally:
            await room.stop()


async def compared(empty: Database, full: Database, numbers: itertools.count[int]) -> dict[str, float]:
    """What is more with a past, as ratios of the middle costs; both are asked in turn."""
    found: dict[str, dict[str, list[float]]] = {"none": {}, "past": {}}
    async with AsyncExitStack() as stack:
        sides = {}
        for name, database in (("none", empty), ("past", full)):
            pool = await stack.enter_async_context(
                await connect_pool(database.runtime.url, database.runtime.password, size=4)
            )
            sides[name] = (await stack.enter_async_context(asker(pool)), pool, database.superuser.dsn)
        for _ in range(ROUNDS):
            for name, (asking, pool, dsn) in sides.items():
                costs = await summary_cost(asking) | await apply_costs(pool, dsn, numbers)
                for what, cost in costs.items():
                    found[name].setdefault(what, []).append(cost)
    ratios = {}
    say(f"\n{'milliseconds':<22} no past  a million trades")
    for what, cheap in found["none"].items():
        before, after = statistics.median(cheap), statistics.median(found["past"][what])
        ratios[what] = round(after / before, 2)
        say(f"  {what:<20} {before:7.2f} {after:7.2f}")
    return ratios


async def run() -> dict[str, Any]:
    numbers = itertools.count(1)
    async with servers() as (postgres, broker):
        empty, full = [await postgres.create("hub_position") for _ in range(2)]
        say("a million trades in a hundred thousand positions are written")
        await insert_past(full.superuser.dsn)
        ratios = await compared(empty, full, numbers)
        say(f"\none worker books {WORKED:,} executions that wait at the broker")
        worker = await worked(full, broker, list(fills(WORKED, next(numbers) * 100_000)))
        say(f"  {worker['per_s']:,.0f} a second, {worker['batch']:.0f} in a batch")
        say(f"  {worker['cpu_us']:.0f} us of the worker's CPU each")
        found = await differences(full.superuser.dsn)
        say(f"  differences in the books: {found}")
        say(f"\npgbench writes the same, {BATCH} in a transaction")
        alone, four = await pgbench(full, 1, numbers), await pgbench(full, 4, numbers)
        say(f"  {alone:,.0f} a second by one connection, {four:,.0f} by four")
    return {
        "summary_cost_ratio": ratios["summary"],
        "apply_cost_ratio": ratios["apply_1"],
        f"apply_cost_ratio_{BATCH}": ratios[f"apply_{BATCH}"],
        "applied_per_s": round(worker["per_s"]),
        "ratio_to_pgbench": round(worker["per_s"] / alone, 2),
        "ratio_to_pgbench_4": round(worker["per_s"] / four, 2),
        "worker_cpu_us": round(worker["cpu_us"]),
        "differences": found,
    }


if __name__ == "__main__":
    set_up_logging("bench", level="warning")
    try:
        say(json.dumps(asyncio.run(run())))
    except StackError as error:
        sys.exit(str(error))
