"""The command `reconcile`: holds orders against the books of positions, line by line."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime

from hub_order.books import Books
from hub_order.domain.reconciliation import Pass
from hub_order.settings import OrderSettings
from hub_order.store import Reconciling
from hub_order.usecases.reconciliation import CUT, DAY, Look, judged, look_at_all
from hub_postgres import connect_pool
from hub_rpc import connect

NAME = "reconcile"
MEANING = (
    "hold orders against the books of positions, then exit: 0 nothing found, 1 something (--since DAY, --all)"
)
PAUSE_S = 15.0
FIRST_DAY = date(2000, 1, 1)


async def reconcile(settings: OrderSettings, arguments: Sequence[str]) -> int:
    """Reads only; the services run meanwhile. What only the first look sees was on its way."""
    options = _parser().parse_args(arguments)
    async with (
        await connect_pool(settings.database_url, settings.database_password, size=1) as pool,
        connect(settings.position_target, settings.tls, "position") as channel,
    ):
        done = await twice(Reconciling(pool), Books(channel), since=_since(options), pause_s=options.pause)
    for difference in done.differences:
        sys.stdout.write(f"{difference}\n")
    for account_id in done.too_long:
        sys.stdout.write(f"account {account_id}: not checked, its books are too much for one look\n")
    sys.stdout.write(_summary(done))
    return 1 if done.differences or done.more or done.too_long else 0


async def twice(store: Reconciling, books: Books, *, since: date | None, pause_s: float) -> Pass:
    """A look at all, and after the pause another one at what it saw."""
    cut = await store.now() - CUT
    start = cut - DAY if since is None else datetime(since.year, since.month, since.day, tzinfo=UTC)
    first = Look(store=store, books=books, since=start, cut=cut)
    await look_at_all(first)
    now = await store.now()
    if not first.found:
        return judged(first, {}, now)
    await asyncio.sleep(pause_s)
    second = Look(store=store, books=books, since=start, cut=now - CUT)
    await second.again(list(first.found.values()))
    second.counts, second.more = first.counts, first.more
    second.too_long |= first.too_long
    return judged(second, first.found, await store.now())


def _since(options: argparse.Namespace) -> date | None:
    since: date | None = FIRST_DAY if options.all else options.since
    return since


def _summary(done: Pass) -> str:
    counts = ", ".join(f"{done.counts.get(what, 0)} {what}" for what in _COUNTED)
    said = f"{len(done.differences)} differences" if done.differences else "no differences"
    more = f", and {done.more} more were seen once" if done.more else ""
    return f"{counts}, until {done.cut:%Y-%m-%d %H:%M:%S} UTC: {said}{more}\n"


_COUNTED = ("accounts", "executions", "trades", "holds", "orders")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m hub_order {NAME}", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--since", type=date.fromisoformat, metavar="DAY", help="executions from this UTC day on (last 24 h)"
    )
    what.add_argument("--all", action="store_true", help="all executions")
    parser.add_argument(
        "--pause", type=float, default=PAUSE_S, metavar="S", help="between the two looks (15 seconds)"
    )
    return parser
