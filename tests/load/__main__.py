"""`make bench-orders`: the whole platform under load, beside what this machine can do at all, in one run.

Prints for people; the last line is one JSON object. Nothing is compared between runs: machines differ, and so
does one machine from minute to minute.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

# gRPC would restart its threads in whatever is forked here; it reads this when its library starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from hub_local.faults import StackError
from tests.load import measuring
from tests.load.books import Ledgers
from tests.load.ceilings import Ceiling
from tests.load.client import connected
from tests.load.closed import CHECKOUT
from tests.load.measuring import Bench, Figures
from tests.load.platform import LIMITS, TRACE_RATIO, started
from tests.load.traders import register, stock_up

WATCHED = 20
RATES = (100, 300)
PROFILES = CHECKOUT / ".local" / "profiles"


def say(text: str) -> None:
    print(text, flush=True)


def tell(title: str, figures: Figures) -> Figures:
    say(f"\n{title}")
    for name, value in figures.items():
        say(f"  {name:<26} {value}")
    return figures


async def run(options: argparse.Namespace) -> Figures:
    first = await _ceilings(options, "before the platform is started")
    figures: Figures = {}
    async with _bench(options) as bench:
        figures |= tell(
            f"closed loop: {options.connections} connections, {options.seconds} s",
            await measuring.closed_loop(
                bench, connections=options.connections, seconds=options.seconds, profile=options.profile
            ),
        )
        figures |= {"fsync_ms": round(bench.platform.fsync_ms, 2)}
        for rate in RATES:
            found = await measuring.open_loop(bench, rate=rate, seconds=options.paced_seconds)
            figures |= tell(f"open loop: {rate} orders a second, {options.paced_seconds} s", found)
        found = await measuring.visible(bench, rate=RATES[-1], seconds=options.paced_seconds)
        figures |= tell(f"the same with {WATCHED} people who look, {options.paced_seconds} s", found)
        figures |= tell("the books", await measuring.books(bench))
        if options.preload:
            figures |= tell(
                f"{options.preload} orders of the past",
                await measuring.with_a_past(
                    bench, count=options.preload, seconds=options.paced_seconds, told=_preloaded
                ),
            )
        say(f"\n  {bench.platform.spans.exports} exports of spans, {bench.platform.spans.size} bytes")
        for refusal in bench.refused[:5]:
            say(f"  refused: {refusal}")
    second = await _ceilings(options, "after the platform has ended")
    figures |= _mean(first, second)
    figures["ratio_to_echo"] = _ratio(figures, "echo_rps")
    figures["ratio_to_coalesced_echo"] = _ratio(figures, "echo_coalesced_rps")
    return figures


async def _ceilings(options: argparse.Namespace, moment: str) -> tuple[Ceiling, Ceiling]:
    alone, together = await measuring.ceilings(connections=options.connections, users=options.users)
    say(f"\nceilings, {moment}: HTTP, token check and gRPC echo, nothing else")
    say(f"  one call per order         {alone.per_s:.0f}/s, {alone.cpu_us:.0f} us of CPU each")
    say(f"  many orders per call       {together.per_s:.0f}/s, {together.cpu_us:.0f} us of CPU each")
    return alone, together


def _mean(first: tuple[Ceiling, Ceiling], second: tuple[Ceiling, Ceiling]) -> Figures:
    """The machine may have changed between the two."""
    alone, together = zip(first, second, strict=True)
    return {
        "echo_rps": round(sum(each.per_s for each in alone) / 2),
        "echo_coalesced_rps": round(sum(each.per_s for each in together) / 2),
        "echo_cpu_us": round(sum(each.cpu_us for each in alone) / 2),
        "echo_coalesced_cpu_us": round(sum(each.cpu_us for each in together) / 2),
        "echo_rps_before_after": [round(each.per_s) for each in alone],
    }


def _ratio(figures: Figures, ceiling: str) -> float:
    booked, echo = figures["booked_per_s"], figures[ceiling]
    assert isinstance(booked, int)
    assert isinstance(echo, int)
    return round(booked / echo, 3)


@contextlib.asynccontextmanager
async def _bench(options: argparse.Namespace) -> AsyncIterator[Bench]:
    async with started() as platform, connected(platform.port) as client:
        say("\nthe platform runs: TLS between services, JSON logs into files, metrics, a durable PostgreSQL")
        say(f"  traces sampled             {TRACE_RATIO}")
        say(f"  a write to the disk        {platform.fsync_ms:.2f} ms")
        say(f"  so that none is refused    {' '.join(f'{name}={value}' for name, value in LIMITS.items())}")
        users = await register(client, options.users + WATCHED)
        traders, watched = users[WATCHED:], users[:WATCHED]
        bought = await stock_up(client, traders)
        ledgers = Ledgers(platform.stack)
        if unequal := await ledgers.settled():
            raise RuntimeError(f"the books do not balance before the load: {unequal}")
        say(f"  {options.users} users have bought {bought} times, so that they can sell")
        yield Bench(platform, client, traders, watched, ledgers, before=bought)


def _preloaded(count: int) -> None:
    if count % 1_000_000 == 0:
        say(f"  {count // 1_000_000} million orders put in")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-orders ARGS='...'", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="of the closed loop (30)")
    parser.add_argument("--connections", type=int, default=128, help="of the closed loop (128)")
    parser.add_argument("--paced-seconds", type=int, default=20, help="of each open loop (20)")
    parser.add_argument("--users", type=int, default=200, help="accounts that trade (200)")
    parser.add_argument("--preload", type=int, default=0, metavar="N", help="old orders to put in (0)")
    parser.add_argument(
        "--profile",
        type=Path,
        nargs="?",
        const=PROFILES,
        help="flame graphs of the closed loop, into this folder (.local/profiles); costs speed",
    )
    return parser


def main() -> int:
    options = _parser().parse_args()
    if shutil.which("wrk") is None:
        say("wrk is not installed; `sh deploy/local/packages.sh bench` installs it or says what to do")
        return 1
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(run(options))
    except StackError as error:
        say(f"the platform did not start: {error}")
        return 1
    tell("all figures", figures)
    say(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
