"""The parts of a run, each of which answers its figures under the names that the last line has."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.load.books import Ledgers
from tests.load.ceilings import Ceiling, measure
from tests.load.client import Client
from tests.load.closed import Closed
from tests.load.paced import Paced, pace, quantile
from tests.load.platform import Platform
from tests.load.preload import preload
from tests.load.profiles import recorded
from tests.load.traders import Trader, renew

PROFILED = ("gateway", "order", "position", "portfolio", "quote-stream")
WARM_S = 3
CEILING_S = 6
PAGES = 200
PRELOAD_RATE = 100

Figures = dict[str, object]


@dataclass
class Bench:
    """A platform that runs, its users, and what they have been answered so far."""

    platform: Platform
    client: Client
    traders: Sequence[Trader]
    watched: Sequence[Trader]
    ledgers: Ledgers
    before: int  # orders there were before anything was counted
    answered: int = 0
    ids: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def renew(self) -> None:
        await renew(self.client, [*self.traders, *self.watched])

    def note(self, paced: Paced) -> None:
        self.answered += len(paced.accepted)
        self.ids += paced.accepted
        self.refused += paced.refused


async def ceilings(*, connections: int, users: int) -> tuple[Ceiling, Ceiling]:
    """Of one call per order, and of one call for many."""
    alone = await measure(coalesced=False, connections=connections, seconds=CEILING_S, users=users)
    together = await measure(coalesced=True, connections=connections, seconds=CEILING_S, users=users)
    return alone, together


async def closed_loop(bench: Bench, *, connections: int, seconds: int, profile: Path | None) -> Figures:
    """As many orders as the platform takes. What is booked is counted at the moment the load ends."""
    await bench.renew()
    tokens = [trader.token for trader in bench.traders]
    port, pids = bench.platform.port, bench.platform.pids()
    warm = await Closed(port, tokens, connections, WARM_S).run()
    begin, began, used = await bench.ledgers.progress(), time.monotonic(), bench.platform.cpu_us()
    async with recorded(profile, {name: pids[name] for name in PROFILED}, seconds):
        load = await Closed(port, tokens, connections, seconds).run()
        end, took, spent = await bench.ledgers.progress(), time.monotonic() - began, bench.platform.cpu_us()
    bench.answered += warm.accepted + load.accepted
    bench.refused += [f"closed loop: {load}"] if load.refused or load.broken else []
    booked = end.booked - begin.booked
    shares = {name: round((spent[name] - used[name]) / max(1, booked)) for name in spent}
    return {
        "accepted_per_s": round((end.accepted - begin.accepted) / took),
        "booked_per_s": round(booked / took),
        "backlog_end": end.accepted - end.booked,
        "backlog_executing": end.accepted - end.executed,
        "closed_p50_ms": load.p50_ms,
        "closed_p99_ms": load.p99_ms,
        "cpu_us_per_order": shares,
        "cpu_us_per_order_sum": sum(shares.values()),
    }


async def open_loop(bench: Bench, *, rate: int, seconds: int) -> Figures:
    await _begin(bench)
    paced = await pace(bench.client, bench.traders, rate=rate, seconds=seconds)
    bench.note(paced)
    return {
        f"p50_ms_{rate}": _ms(paced.accept_ms, 0.5),
        f"p99_ms_{rate}": _ms(paced.accept_ms, 0.99),
        f"generator_late_p99_ms_{rate}": _ms(paced.late_ms, 0.99),
    }


async def visible(bench: Bench, *, rate: int, seconds: int) -> Figures:
    """From an answer to the position that shows it. Whoever watches asks again and again, which is a load of
    its own: so the answers are timed without them, by `open_loop`."""
    await _begin(bench)
    paced = await pace(bench.client, bench.traders, rate=rate, seconds=seconds, watched=bench.watched)
    bench.note(paced)
    return {
        f"visible_p50_ms_{rate}": _ms(paced.visible_ms, 0.5),
        f"visible_p99_ms_{rate}": _ms(paced.visible_ms, 0.99),
        f"watched_p99_ms_{rate}": _ms(paced.accept_ms, 0.99),
    }


async def _begin(bench: Bench) -> None:
    """Of a part in which times are taken: what the part before left behind is not to be in them."""
    await bench.ledgers.settled()
    await bench.ledgers.tidy()
    await bench.renew()


async def books(bench: Bench) -> Figures:
    verdict = await bench.ledgers.verdict(answered=bench.answered, ids=bench.ids, before=bench.before)
    return {
        "orders_answered": bench.answered,
        "refused": len(bench.refused),
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "differences": len(verdict.differences),
        "differences_found": verdict.differences,
    }


async def with_a_past(bench: Bench, *, count: int, seconds: int, told: Callable[[int], None]) -> Figures:
    """Accepting and reading beside so many old orders, and without them."""
    empty = await _accept_and_read(bench, seconds)
    accounts = [trader.account_id for trader in bench.traders]
    began = time.monotonic()
    await preload(bench.ledgers.order_dsn, count=count, accounts=accounts, told=told)
    took = time.monotonic() - began
    full = await _accept_and_read(bench, seconds)
    return {
        "preloaded": count,
        "preload_s": round(took),
        "empty_accept_p50_ms": empty.accept_ms,
        "preload_accept_p50_ms": full.accept_ms,
        "preload_accept_ratio": round(full.accept_ms / empty.accept_ms, 2),
        "empty_history_p50_ms": empty.history_ms,
        "preload_history_p50_ms": full.history_ms,
        "preload_history_ratio": round(full.history_ms / empty.history_ms, 2),
    }


@dataclass(frozen=True)
class _Reading:
    accept_ms: float
    history_ms: float


async def _accept_and_read(bench: Bench, seconds: int) -> _Reading:
    await bench.renew()
    paced = await pace(bench.client, bench.traders, rate=PRELOAD_RATE, seconds=seconds)
    bench.note(paced)
    times = []
    for number in range(PAGES):
        trader = bench.traders[number % len(bench.traders)]
        began = time.perf_counter()
        await bench.client.call("GET", "/api/v1/orders?page_size=50", token=trader.token)
        times.append((time.perf_counter() - began) * 1000)
    return _Reading(_ms(paced.accept_ms, 0.5), round(statistics.median(times), 2))


def _ms(values: Sequence[float], part: float) -> float:
    return round(quantile(values, part), 1)
