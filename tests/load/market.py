"""`make bench-market-data`: how soon reads are answered by the cache and past it, and what ten thousand
streams of quotes cost the process that holds them.

Prints for people; the last line is one JSON object. Instruments are asked for as people do: few of them very
often (Zipf). A read is a hit when this run has asked for that instrument before. Nobody has asked for the
cold ones: they are the misses under load.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

# gRPC would restart its threads in whatever is forked here; it reads this when its library starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from grpc import aio

from hub.market_data.v1 import market_data_pb2 as pb
from hub.market_data.v1 import market_data_pb2_grpc
from hub_local.faults import StackError
from hub_market_data.seed import stock
from hub_market_data.store import Seeding
from hub_postgres import connect_pool
from hub_rpc.tls import channel_credentials
from hub_runtime.common_settings import TlsFiles
from tests.load.paced import quantile
from tests.support.folders import server_folder
from tests.support.jobs import eventually
from tests.support.servers import Database, Login, ServerRoom
from tests.support.talking import Talking, talking
from tests.support.tls import Tls

POPULAR, COLD, TICKING = 1_000, 3_000, 20
AT_ONCE = 32
# As many as it takes, so that the part that hits does not depend on the machine.
WARM_READS, READS = 10_000, 30_000
COLD_PART = 0.02
STREAMS = 10_000
FEW, MANY = 10, 2_500
FOLLOWED = 5
SIGN_OF_LIFE = 40  # bytes, at most
OPENED_AT_ONCE = 200
TICKS, TICK_S = 5, 4.0
PARTS = ("reads", "streams")
RESULTS = ("hit", "hit_nothing", "miss", "away")
METHOD = "/hub.market_data.v1.MarketDataService/StreamQuotes"
HISTORY = """
    INSERT INTO day_bars (symbol, day, open, high, low, close, volume, seeded)
    SELECT symbol, current_date - n, 10, 11, 9, 10, 1000, false
      FROM instruments, generate_series(1, 60) AS series (n)
    ON CONFLICT DO NOTHING
"""


def say(text: str) -> None:
    print(text, flush=True)


@dataclass
class Reads:
    """Milliseconds."""

    hits: list[float] = field(default_factory=list)
    misses: list[float] = field(default_factory=list)
    quotes: list[float] = field(default_factory=list)
    popular_hits: int = 0
    popular_misses: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Served:
    process: Talking
    port: int
    tls: Tls

    async def figures(self) -> dict[str, float]:
        said = len(self.process.said)
        self.process.tell("figures")
        await eventually(lambda: len(self.process.said) > said)
        found: dict[str, float] = json.loads(self.process.said[-1])
        return found

    def channel(self, caller: str) -> aio.Channel:
        """Bare: what is measured is the service."""
        files: TlsFiles = self.tls.files(caller)
        options = [("grpc.ssl_target_name_override", "market-data"), ("grpc.use_local_subchannel_pool", 1)]
        return aio.secure_channel(f"127.0.0.1:{self.port}", channel_credentials(files), options=options)


@asynccontextmanager
async def served(database: Database, redis: Login, tls: Tls) -> AsyncIterator[Served]:
    for service in ("market-data", "gateway", "order"):
        tls.files(service)
    environment = {
        "DATABASE": database.runtime.url,
        "PASSWORD_FILE": str(database.runtime.password_file),
        "REDIS": redis.dsn,
        "TLS": str(tls.folder),
    }
    async with talking("tests.load.market_process", **environment) as process:
        await eventually(lambda: bool(process.said))
        yield Served(process, int(process.said[0].split()[1]), tls)


async def seed(database: Database) -> None:
    names = [f"{kind}{n:04d}" for kind, count in (("P", POPULAR), ("C", COLD)) for n in range(count)]
    names += [f"T{n:02d}" for n in range(TICKING)]
    async with await connect_pool(database.owner.url, database.owner.password, 1, "bench") as pool:
        await Seeding(pool).instruments([stock(name, name, "XNYS") for name in names])
    connection = await asyncpg.connect(database.superuser.dsn)
    try:
        await connection.execute(HISTORY, timeout=120)
        await connection.execute("ANALYZE", timeout=120)
    finally:
        await connection.close()


class Readers:
    """Each asks again as soon as it is answered."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self._dice = random.Random(1)
        self._weights = list(accumulate(1 / rank for rank in range(1, POPULAR + 1)))
        self._cold = iter(range(COLD))
        self._asked: set[str] = set()

    def _popular(self, count: int) -> list[str]:
        return [f"P{n:04d}" for n in self._dice.choices(range(POPULAR), cum_weights=self._weights, k=count)]

    async def read(self, count: int) -> Reads:
        found, numbers, began = Reads(), iter(range(count)), time.perf_counter()
        await asyncio.gather(*(self._one(found, numbers) for _ in range(AT_ONCE)))
        found.seconds = time.perf_counter() - began
        return found

    async def _one(self, found: Reads, numbers: Iterator[int]) -> None:
        for _ in numbers:
            began = time.perf_counter()
            if self._dice.random() < 0.5:
                await self._stub.GetQuotes(pb.GetQuotesRequest(symbols=self._popular(10)))
                found.quotes.append((time.perf_counter() - began) * 1000)
                continue
            number = next(self._cold, None) if self._dice.random() < COLD_PART else None
            (symbol,) = self._popular(1) if number is None else [f"C{number:04d}"]
            is_hit = symbol in self._asked
            await self._stub.GetInstrument(pb.GetInstrumentRequest(symbol=symbol))
            self._asked.add(symbol)
            (found.hits if is_hit else found.misses).append((time.perf_counter() - began) * 1000)
            found.popular_hits += is_hit and number is None
            found.popular_misses += not is_hit and number is None


async def measure_reads(served: Served) -> dict[str, float]:
    async with served.channel("gateway") as channel:
        readers = Readers(market_data_pb2_grpc.MarketDataServiceStub(channel))
        await readers.read(WARM_READS)
        found = await readers.read(READS)
    figures: dict[str, float] = {
        "reads_per_s": round(READS / found.seconds),
        "hit_ratio_percent": round(100 * found.popular_hits / (found.popular_hits + found.popular_misses), 2),
        "cold_reads": len(found.misses) - found.popular_misses,
    }
    for name, times in (("hit", found.hits), ("miss", found.misses), ("quotes", found.quotes)):
        figures |= {f"{name}_p{round(100 * part)}_ms": _ms(times, part) for part in (0.5, 0.99)}
    say(f"\nreads: {AT_ONCE} at once, {POPULAR} instruments asked for by Zipf and {COLD} cold ones")
    say(f"  {figures['reads_per_s']:,} a second, {figures['hit_ratio_percent']} % of the popular ones hits")
    for name, text in (("hit", "GetInstrument, a hit"), ("miss", "a miss"), ("quotes", "GetQuotes of 10")):
        say(f"  {text:<22} p50 {figures[f'{name}_p50_ms']:>6} ms   p99 {figures[f'{name}_p99_ms']:>6} ms")
    return figures


def _ms(times: list[float], part: float) -> float:
    return round(quantile(times, part), 2) if times else -1


class Streams:
    """Very many streams in this process, and how late each tick arrived at each of them."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._open = 0
        self._late: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def held(self, connections: int) -> AsyncIterator[None]:
        channels = [self._served.channel("order") for _ in range(connections)]
        tasks = self._tasks
        request = pb.StreamQuotesRequest(symbols=[f"T{n:02d}" for n in range(FOLLOWED)])
        try:
            while len(tasks) < STREAMS:
                for _ in range(OPENED_AT_ONCE):
                    channel = channels[len(tasks) % connections]
                    # What is read of a stream is counted here and parsed only where there are prices.
                    call: Any = channel.unary_stream(METHOD, pb.StreamQuotesRequest.SerializeToString)(
                        request
                    )
                    tasks.append(asyncio.create_task(self._follow(call)))
                await eventually(lambda: self._open == len(tasks), 120)
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(channel.close() for channel in channels))

    async def _follow(self, call: Any) -> None:
        await call.read()
        self._open += 1
        while (encoded := await call.read()) is not aio.EOF:
            if len(encoded) > SIGN_OF_LIFE:
                message = pb.StreamQuotesResponse.FromString(encoded)
                self._late.append(time.time() - message.quotes[0].received_at.ToNanoseconds() / 1e9)

    async def tick(self) -> list[float]:
        """Seconds from the tick to each of the streams."""
        if ended := [task for task in self._tasks if task.done()]:
            raise RuntimeError(f"{len(ended)} streams have ended, the first with {ended[0].exception()!r}")
        self._late.clear()
        self._served.process.tell("tick")
        await eventually(lambda: len(self._late) >= STREAMS, 120)
        return list(self._late)


async def measure_streams(served: Served, connections: int) -> dict[str, float]:
    before, opened_at = await served.figures(), time.perf_counter()
    streams = Streams(served)
    async with streams.held(connections):
        opening_s = time.perf_counter() - opened_at
        late: list[float] = []
        for _ in range(TICKS):
            await asyncio.sleep(TICK_S)
            late += await streams.tick()
        after = await served.figures()
        await asyncio.sleep(5)
        idle = await served.figures()
        await asyncio.sleep(5)
        later = await served.figures()
    figures = {
        "opening_s": round(opening_s, 1),
        "mb": round(after["rss_mb"] - before["rss_mb"]),
        "descriptors": int(after["descriptors"]),
        "tick_p50_ms": round(1000 * quantile(late, 0.5)),
        "tick_p99_ms": round(1000 * quantile(late, 0.99)),
        "tick_max_ms": round(1000 * max(late)),
        "idle_core_percent": round(100 * (later["cpu_s"] - idle["cpu_s"]) / 5),
        "idle_loop_lag_ms": round(1000 * later["loop_lag_s"]),
    }
    say(f"\n{int(after['streams']):,} streams over {connections:,} connections, opened in {opening_s:.1f} s")
    say(f"  {figures['mb']} MB, {figures['descriptors']:,} descriptors, the reader has {own_mb():.0f} MB")
    say(
        f"  a tick is there after p50 {figures['tick_p50_ms']} ms, p99 {figures['tick_p99_ms']} ms, "
        f"at the latest {figures['tick_max_ms']} ms"
    )
    say(
        f"  without ticks {figures['idle_core_percent']} % of a core, "
        f"the loop at most {figures['idle_loop_lag_ms']} ms late"
    )
    return {f"streams_{connections}_{name}": value for name, value in figures.items()}


def own_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def run(parts: Collection[str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    with server_folder() as folder:
        room = ServerRoom(folder / "servers")
        (folder / "tls").mkdir()
        tls = Tls.create(folder / "tls")
        try:
            postgres, redis = await room.start_postgres(), await room.start_redis()
            database = await postgres.create("hub_market_data")
            await seed(database)
            if "reads" in parts:
                async with served(database, redis, tls) as process:
                    figures |= await measure_reads(process)
                    found = await process.figures()
                    figures |= {f"cache_{result}": found[result] for result in RESULTS}
            for connections in (FEW, MANY) if "streams" in parts else ():
                async with served(database, redis, tls) as process:
                    figures |= await measure_streams(process, connections)
        finally:
            await room.stop()
    return figures


def main() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(run(sys.argv[1:] or PARTS))
    except StackError as error:
        say(str(error))
        return 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    say(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
