"""The command `lean-actions`: splits and dividends of LEAN's factor files become corporate actions here.

`migrate` does it too where the feed is `lean`. What lies more than a year ahead of the market's clock has to
wait for a later run.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from hub_market_data import exchange
from hub_market_data.board import Board
from hub_market_data.domain.actions import CorporateAction
from hub_market_data.domain.factors import actions_of
from hub_market_data.feeds import lean_begins_at
from hub_market_data.lean import Lean
from hub_market_data.lean_factors import read_factors
from hub_market_data.settings import MarketDataSettings
from hub_market_data.store import Actions, Catalogue, Feeding
from hub_market_data.usecases.announcing import Announcing
from hub_market_data.usecases.keeping import refresh, restore
from hub_market_data.usecases.taking_over import Fate, Told, take_over
from hub_money import to_text
from hub_postgres import Pool, connect_pool
from hub_runtime import SettingsError, get_logger, utc_now

log = get_logger("lean")
NAME: Final = "lean-actions"
MEANING: Final = (
    "announce the splits and dividends of LEAN's factor files (--data DIR), then exit: 0 all is well"
)
_FATES: Final[Sequence[Fate]] = get_args(Fate)
_FAULTS: Final[Sequence[Fate]] = ("missed", "refused")


async def lean_actions(settings: MarketDataSettings, arguments: Sequence[str]) -> int:
    """Services may run meanwhile. Prints what became of each action; 1 where somebody has to look."""
    root = _parser().parse_args(arguments).data or settings.feed_data
    if root is None:
        raise SettingsError(["HUB_FEED_DATA (or --data): which folder?"])
    async with await connect_pool(settings.database_url, settings.database_password, size=1) as pool:
        told, faults = await announce_factors(pool, settings, root)
    for each in told:
        sys.stdout.write(f"{sentence(each)}\n")
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    counts = Counter(each.fate for each in told)
    sys.stdout.write(", ".join(f"{counts[fate]} {fate}" for fate in _FATES) + "\n")
    return 1 if faults or any(counts[fate] for fate in _FAULTS) else 0


async def announce_at_start(pool: Pool, settings: MarketDataSettings) -> None:
    """Where the feed is `lean`. What cannot be announced is told in the log and stops nothing."""
    if settings.feed != Lean.kind or settings.feed_data is None:
        return
    try:
        told, faults = await announce_factors(pool, settings, settings.feed_data)
    except SettingsError as error:
        log.warning("lean_actions_left_out", reason=str(error))
        return
    counts = Counter(each.fate for each in told)
    log.info("lean_actions", **{fate: counts[fate] for fate in _FATES})
    for line in (*faults, *(sentence(each) for each in told if each.fate in _FAULTS)):
        log.warning("lean_action_left_out", reason=line)


async def announce_factors(
    pool: Pool, settings: MarketDataSettings, root: Path
) -> tuple[Sequence[Told], Sequence[str]]:
    """Of all instruments of this database: what became of their actions, and which files cannot be read.
    Raises SettingsError where another feed plays, by whose clock these days mean nothing."""
    feeding, board = Feeding(pool), Board(extended_hours=settings.extended_hours)
    state, _ = await feeding.last_known()
    plays = state.feed or settings.feed
    if plays != Lean.kind or settings.feed != Lean.kind:
        playing = f"this database plays {plays}, and HUB_FEED is {settings.feed}"
        raise SettingsError([f"{playing}: LEAN's actions are for one that plays lean"])
    board.begin(state.epoch, state.market_time or lean_begins_at(settings, root))
    await refresh(board, catalogue=Catalogue(pool), clock=utc_now, market_hours=settings.market_hours)
    await restore(board, feeding=feeding)
    found, faults = _read(root, board)
    announcing = Announcing(board=board, actions=Actions(pool), clock=utc_now)
    return await take_over(announcing, found), faults


def _read(root: Path, board: Board) -> tuple[Sequence[CorporateAction], Sequence[str]]:
    trading_days = [session.day for session in exchange.sessions()]
    found, faults = list[CorporateAction](), list[str]()
    for symbol, instrument in board.instruments.items():
        try:
            rows = read_factors(root, symbol)
            found += actions_of(symbol, rows, trading_days, currency=instrument.currency)
        except ValueError as error:
            faults.append(f"{symbol}: {error}")
    return found, faults


def sentence(told: Told) -> str:
    action = told.action
    number = action.ratio if action.amount is None else action.amount
    text = "" if number is None else to_text(number)
    what = f"{action.symbol} {action.ex_date} {action.type.value.lower()} {text}: {told.fate}"
    return f"{what} ({told.reason})" if told.reason else what


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m hub_market_data {NAME}", description=__doc__)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the folder that has equity/usa (HUB_FEED_DATA)"
    )
    return parser
