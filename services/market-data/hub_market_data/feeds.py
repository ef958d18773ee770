"""The feed that the settings ask for, and the instruments that it brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from hub_market_data.alpaca import Access, Alpaca
from hub_market_data.board import Board
from hub_market_data.domain.instruments import Instrument
from hub_market_data.feed import Feed
from hub_market_data.lean import Lean, midnight
from hub_market_data.lean_files import LeanFolder
from hub_market_data.replay import Replay
from hub_market_data.seed import INSTRUMENTS, stock
from hub_market_data.settings import FeedSettings
from hub_market_data.store import Bars, FeedState
from hub_market_data.synthetic import Random, random_symbols
from hub_market_data.usecases.bars import playable
from hub_runtime import SettingsError, secret, utc_now

RANDOM_SYMBOLS = 100
RANDOM_RATE = 100.0
# The letters of LEAN's map files.
_EXCHANGES = {"Q": "XNAS", "N": "XNYS", "A": "XASE", "P": "ARCX"}


async def make_feed(settings: FeedSettings, board: Board, bars: Bars, state: FeedState) -> Feed:
    """Raises SettingsError for one that cannot be played on this database."""
    settings.require_feed()
    match settings.feed:
        case "lean":
            return _lean(settings, board, state)
        case "random":
            return Random(
                random_symbols(settings.feed_symbols or RANDOM_SYMBOLS),
                rate=settings.feed_rate or RANDOM_RATE,
                seed=settings.feed_seed,
                clock=utc_now,
                market_time=state.market_time,
            )
        case "alpaca":
            access = Access(
                url=settings.alpaca_url,
                key_id=settings.alpaca_key_id,
                secret=partial(secret, settings.alpaca_secret_file or Path()),
                data_url=settings.alpaca_data_url,
                codec="msgpack" if settings.alpaca_codec == "msgpack" else "json",
            )
            return Alpaca(access, settings.alpaca_symbols, clock=utc_now, market_time=state.market_time)
        case _:
            return Replay(
                await playable(bars, board.instruments),
                seed=settings.feed_seed,
                speed=settings.feed_speed,
                clock=utc_now,
                place=state.place,
                market_time=state.market_time,
            )


def feed_instruments(settings: FeedSettings) -> Sequence[Instrument]:
    """Those that a new database has. Of a symbol that nobody described only the symbol is known."""
    settings.require_feed()
    known = {each.symbol: each for each in INSTRUMENTS}
    match settings.feed:
        case "lean":
            folder = _folder(settings)
            return [
                known.get(symbol) or stock(symbol, symbol, _EXCHANGES.get(folder.exchange(symbol), "XNYS"))
                for symbol in folder.symbols
            ]
        case "random":
            symbols = random_symbols(settings.feed_symbols or RANDOM_SYMBOLS)
            return [stock(symbol, f"Random walk {symbol}", "XNYS") for symbol in symbols]
        case "alpaca":
            return [known.get(symbol) or stock(symbol, symbol, "XNYS") for symbol in settings.alpaca_symbols]
        case _:
            return INSTRUMENTS


def lean_begins_at(settings: FeedSettings, root: Path) -> datetime:
    """When a new database's clock begins. Raises SettingsError."""
    return settings.feed_start or midnight(_folder(replace(settings, feed_data=root)).days[0])


def _lean(settings: FeedSettings, board: Board, state: FeedState) -> Lean:
    folder = _folder(settings)
    try:
        return Lean(
            folder,
            symbols=board.instruments,
            speed=settings.feed_speed,
            start=settings.feed_start,
            place=state.place,
            market_time=state.market_time,
        )
    except ValueError as error:
        raise SettingsError([f"HUB_FEED: lean: {error}"]) from None


def _folder(settings: FeedSettings) -> LeanFolder:
    try:
        return LeanFolder(settings.feed_data or Path(), settings.feed_resolution or "tick")
    except ValueError as error:
        raise SettingsError([f"HUB_FEED_DATA: {error}"]) from None
