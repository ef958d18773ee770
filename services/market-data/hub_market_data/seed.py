"""The instruments and the real price history of a new database; data/NOTICE says where they come from."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from typing import Final

from hub_market_data.domain import AssetClass, Bar, Instrument


def _stock(symbol: str, name: str, exchange: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        name=name,
        asset_class=AssetClass.STOCK,
        exchange=exchange,
        currency="USD",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        fractionable=True,
        tradable=True,
        halted=False,
        calendar="XNYS",
    )


INSTRUMENTS: Final = (
    _stock("AAPL", "Apple Inc.", "XNAS"),
    _stock("FB", "Facebook, Inc.", "XNAS"),
    _stock("GOOG", "Google Inc.", "XNAS"),
    _stock("IBM", "International Business Machines Corporation", "XNYS"),
    _stock("MSFT", "Microsoft Corporation", "XNAS"),
)


def histories(last_day: date) -> Mapping[str, Sequence[Bar]]:
    """The committed history by symbol, moved as a whole so that its last day is `last_day`."""
    original = _read()
    shift = last_day - max(bars[-1].day for bars in original.values())
    return {symbol: [_moved(bar, shift) for bar in bars] for symbol, bars in original.items()}


def _moved(bar: Bar, shift: timedelta) -> Bar:
    return replace(bar, day=bar.day + shift)


def _read() -> dict[str, list[Bar]]:
    packed = resources.files("hub_market_data").joinpath("data/daily_bars.csv.gz").read_bytes()
    found: dict[str, list[Bar]] = {}
    for row in csv.DictReader(io.StringIO(gzip.decompress(packed).decode("ascii"))):
        bar = Bar(
            day=date.fromisoformat(row["day"]),
            open=Decimal(row["open"]),
            high=Decimal(row["high"]),
            low=Decimal(row["low"]),
            close=Decimal(row["close"]),
            volume=int(row["volume"]),
        )
        found.setdefault(row["symbol"], []).append(bar)
    return found
