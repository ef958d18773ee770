"""`make bench-quotes`: live quotes to ten thousand screens, beside a bare broadcast of the same bytes.

Ours is a feed that speaks market-data's contract and ticks all symbols at one moment, the real quote-stream
(without its broker) and the real gateway. The bare one is picows: one process that sends the same bytes, made
anew for each tick, to the same number of sockets, and does nothing else. The clients are processes of their
own. They follow the same symbols, and in one more run each has drawn its own out of 500: the bare one sends
as many bytes then, but the same to all.

At the end the gateway is killed (SIGKILL) under the running feed and started again on its port, and all
clients come back at once.

Prints for people; the last line is one JSON object, of the largest run whose rate did not have to be lowered,
and of all runs. Account updates are not part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.load.profiles import recorded
from tests.load.sockets_parts import SYMBOLS, TICKING
from tests.load.usage import cpu_us
from tests.support.folders import server_folder
from tests.support.tls import Tls

CLIENTS: Final = 2  # processes
PATCH_BYTES: Final = 1_100  # of one symbol, about
STREAM: Final = "/api/v1/stream"
BUCKET_MS: Final = 0.5
WARM_S: Final = 1.0


def say(text: str) -> None:
    print(text, flush=True)


class Part:
    """A process that answers each order with a line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a part of the benchmark has ended")
        found: dict[str, Any] = json.loads(line)
        return found

    async def tell(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self.hear()

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()

    @property
    def rss_kb(self) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0])


@asynccontextmanager
async def part(module: str, *arguments: object) -> AsyncIterator[Part]:
    command = [sys.executable, "-m", f"tests.load.{module}", *map(str, arguments)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=1 << 24)
    try:
        yield Part(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass(frozen=True)
class Seen:
    """What the clients saw in so many seconds, and what it cost the process that sent it."""

    messages: int
    per_s: float
    cpu_us: float  # for a message to one client
    p50_ms: float
    p99_ms: float
    closed: int
    mb_per_s: float


class Crowd:
    """All clients of one server."""

    def __init__(self, parts: Sequence[Part], count: int) -> None:
        self._parts = parts
        self.count = count

    async def tell(self, **order: Any) -> list[dict[str, Any]]:
        told = [each.tell(part=number, **order) for number, each in enumerate(self._parts)]
        return await asyncio.gather(*told)

    async def connect(self, tokens: Sequence[str]) -> None:
        await self.tell(do="connect", count=self.count // len(self._parts), tokens=tokens)

    async def subscribe(self, names: Sequence[str], draw: int = 0) -> None:
        """All to the same, or each to so many of them."""
        self.check(await self.tell(do="subscribe", symbols=names, draw=draw))

    def check(self, answers: Sequence[dict[str, Any]]) -> None:
        served = sum(answer["served"] for answer in answers)
        if served != self.count:
            raise RuntimeError(f"only {served} of {self.count} clients have snapshots of all they follow")

    async def measure(self, sender: Part, seconds: float) -> Seen:
        await self.tell(do="measure", seconds=WARM_S)
        began = cpu_us({"sender": sender.pid})["sender"]
        found = await self.tell(do="measure", seconds=seconds)
        used = cpu_us({"sender": sender.pid})["sender"] - began
        ages: Counter[int] = Counter()
        for each in found:
            ages.update({int(bucket): count for bucket, count in each["ages"].items()})
        messages = sum(each["messages"] for each in found)
        return Seen(
            messages=messages,
            per_s=messages / seconds,
            cpu_us=used / max(1, messages),
            p50_ms=_quantile(ages, 0.5),
            p99_ms=_quantile(ages, 0.99),
            closed=sum(each["closed"] for each in found),
            mb_per_s=sum(each["bytes"] for each in found) / seconds / 1e6,
        )


def _quantile(ages: Counter[int], wanted: float) -> float:
    left = wanted * ages.total()
    for bucket in sorted(ages):
        left -= ages[bucket]
        if left <= 0:
            return bucket * BUCKET_MS
    return 0.0


@asynccontextmanager
async def crowd(port: int, path: str, count: int) -> AsyncIterator[Crowd]:
    async with part("sockets_clients", port, path) as one, part("sockets_clients", port, path) as other:
        yield Crowd([one, other], count)


def rate_of(options: argparse.Namespace, sockets: int, symbols: int) -> float:
    """Frames a second: as wanted, or what so many bytes a second allow."""
    allowed = options.megabytes * 1e6 / (sockets * symbols * PATCH_BYTES)
    return float(min(options.rate, allowed))


@dataclass(frozen=True)
class Work:
    """What the clients follow: the same symbols, or each its own out of many."""

    symbols: int
    drawn: bool = False

    @property
    def name(self) -> str:
        return f"{self.symbols} symbols" + (f", each its own of {len(SYMBOLS)}" if self.drawn else "")


def works(options: argparse.Namespace) -> list[Work]:
    drawn = [Work(options.drawn, drawn=True)] if options.drawn else []
    return [Work(symbols) for symbols in options.symbols] + drawn


@dataclass(frozen=True)
class Storm:
    """Seconds from the gateway's death until it let somebody in, and until all were served again."""

    listening_s: float
    served_s: float


@dataclass(frozen=True)
class Run:
    sockets: int
    work: Work
    rate: float
    ours: Seen
    rss_kb: float


async def run_ours(options: argparse.Namespace, sockets: int) -> tuple[list[Run], Storm]:
    with server_folder() as folder:
        tls = Tls.create(folder)
        for name in ("market-data", "quote-stream", "gateway"):
            tls.files(name)
        async with part("sockets_parts", "feed", folder) as feed:
            market_data = (await feed.hear())["port"]
            async with part("sockets_parts", "quote-stream", folder, market_data) as stream:
                upstream = (await stream.hear())["port"]
                async with part("sockets_parts", "gateway", folder, upstream, 0) as gateway:
                    served = await gateway.hear()
                    port, tokens = served["port"], served["tokens"]
                    async with crowd(port, STREAM, sockets) as clients:
                        found = await _ours(options, clients, feed, gateway, tokens)
                        await feed.tell(rate=rate_of(options, sockets, 10))
                        await gateway.kill()
                        async with part("sockets_parts", "gateway", folder, upstream, port):
                            return found, await _storm(clients, tokens)


async def _ours(
    options: argparse.Namespace, clients: Crowd, feed: Part, gateway: Part, tokens: Sequence[str]
) -> list[Run]:
    before = gateway.rss_kb
    await clients.connect(tokens)
    rss_kb = (gateway.rss_kb - before) / clients.count
    found = []
    for work in works(options):
        rate = rate_of(options, clients.count, work.symbols)
        names, draw = (SYMBOLS, work.symbols) if work.drawn else (SYMBOLS[: work.symbols], 0)
        await clients.subscribe(names, draw)
        await feed.tell(rate=rate, symbols=max(len(names), TICKING))
        profile = options.profile and options.profile / f"{clients.count}-{work.name.replace(' ', '-')}"
        async with recorded(profile, {"gateway": gateway.pid}, int(WARM_S + options.seconds)):
            seen = await clients.measure(gateway, options.seconds)
        await feed.tell(rate=0)
        if not work.drawn:
            await clients.tell(do="unsubscribe", symbols=names)
        found.append(Run(clients.count, work, rate, seen, rss_kb))
    return found


async def _storm(clients: Crowd, tokens: Sequence[str]) -> Storm:
    began = time.monotonic()
    answers = await clients.tell(do="come back", tokens=tokens, symbols=SYMBOLS[:10])
    served_s = time.monotonic() - began
    clients.check(answers)
    return Storm(min(answer["listening_s"] for answer in answers), served_s)


async def run_bare(options: argparse.Namespace, sockets: int) -> tuple[list[Seen], float]:
    async with part("sockets_parts", "bare") as bare:
        served = await bare.hear()
        async with crowd(served["port"], "/", sockets) as clients:
            before = bare.rss_kb
            await clients.connect(served["tokens"])
            rss_kb = (bare.rss_kb - before) / sockets
            found = []
            for work in works(options):
                await bare.tell(rate=rate_of(options, sockets, work.symbols), symbols=work.symbols)
                found.append(await clients.measure(bare, options.seconds))
                await bare.tell(rate=0, symbols=work.symbols)
                await clients.tell(do="measure", seconds=1.0)
            return found, rss_kb


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of the largest run that had the rate that was wanted, and of all."""
    runs: list[dict[str, Any]] = []
    for sockets in options.sockets:
        ours, storm = await run_ours(options, sockets)
        bare, bare_rss_kb = await run_bare(options, sockets)
        say(f"\n{sockets} sockets: {ours[0].rss_kb:.1f} KB each at first (bare {bare_rss_kb:.1f});")
        say(f"the gateway was killed: it let clients in again after {storm.listening_s:.1f} s,")
        say(f"and all {sockets} had snapshots of 10 symbols again after {storm.served_s:.1f} s")
        for mine, theirs in zip(ours, bare, strict=True):
            runs.append(tell(mine, theirs, storm))
    same = [run for run in runs if not run["drawn"]]
    largest = max(same or runs, key=lambda run: (run["rate"], run["sockets"], run["symbols"]))
    return {**largest, "runs": runs}


def tell(mine: Run, bare: Seen, storm: Storm) -> dict[str, Any]:
    ratio = round(mine.ours.cpu_us / max(0.01, bare.cpu_us), 2)
    say(f"  {mine.work.name}, {mine.rate:.1f} ticks a second: ratio {ratio}")
    for name, seen in (("ours", mine.ours), ("bare", bare)):
        say(
            f"    {name}  {seen.cpu_us:>6.1f} us of CPU a frame  {seen.per_s:>8.0f} frames/s  "
            f"{seen.mb_per_s:>6.0f} MB/s  p50 {seen.p50_ms:>7.1f} ms  p99 {seen.p99_ms:>7.1f} ms"
            + (f"  {seen.closed} sockets were closed" if seen.closed else "")
        )
    return {
        "sockets": mine.sockets,
        "symbols": mine.work.symbols,
        "drawn": mine.work.drawn,
        "rate": round(mine.rate, 2),
        "cpu_us_per_frame": round(mine.ours.cpu_us, 2),
        "bare_cpu_us_per_frame": round(bare.cpu_us, 2),
        "cpu_per_frame_ratio": ratio,
        "rss_kb_per_socket": round(mine.rss_kb, 1),
        "frames_per_s": round(mine.ours.per_s),
        "bare_frames_per_s": round(bare.per_s),
        "p50_ms": mine.ours.p50_ms,
        "p99_ms": mine.ours.p99_ms,
        "bare_p50_ms": bare.p50_ms,
        "bare_p99_ms": bare.p99_ms,
        "closed": mine.ours.closed,
        "listening_s": round(storm.listening_s, 1),
        "reconnected_s": round(storm.served_s, 1),
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-quotes ARGS=...", description=__doc__)
    parser.add_argument("--sockets", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--symbols", type=int, nargs="+", default=[1, 10, 50], help=f"up to {TICKING}")
    parser.add_argument("--drawn", type=int, default=10, help="symbols of a choice of their own; 0: no run")
    parser.add_argument("--rate", type=float, default=5.0, help="ticks a second")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument(
        "--megabytes",
        type=float,
        default=600.0,
        help="a second at most, to all sockets together: the rate is lowered until it fits",
    )
    parser.add_argument("--profile", type=Path, help="a folder for flame graphs of the gateway, by py-spy")
    return parser.parse_args()


def main() -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asyncio.run(run(options()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
