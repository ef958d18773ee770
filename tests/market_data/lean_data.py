"""Small folders in LEAN's layout, and what is in any such folder as somebody else would read it."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

OPENS_MS, CLOSES_MS = 34_200_000, 57_600_000
DAYS = (date(2013, 10, 7), date(2013, 10, 8))
SYMBOLS = ("ibm", "bac")


def pack(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", "\n".join([*lines, ""]))
    return path


def place(root: Path, resolution: str, symbol: str, day: date, kind: str) -> Path:
    return root / "equity" / "usa" / resolution / symbol / f"{day:%Y%m%d}_{kind}.zip"


def write_small(root: Path) -> Path:
    """Two symbols and two days of each resolution: before, in and after the hours of the exchange."""
    for symbol in SYMBOLS:
        for day in DAYS:
            dice = random.Random(f"{symbol} {day}")
            pack(place(root, "tick", symbol, day, "trade"), _trades(dice))
            pack(place(root, "tick", symbol, day, "quote"), _quotes(dice))
            for resolution, step, count in (("second", 1000, 90), ("minute", 60_000, 30)):
                begins = [OPENS_MS - 20 * step + n * step for n in range(count)]
                pack(place(root, resolution, symbol, day, "trade"), _trade_bars(dice, begins))
                pack(place(root, resolution, symbol, day, "quote"), _quote_bars(dice, begins))
    return root


def _moments(dice: random.Random, count: int) -> Sequence[int]:
    times = [OPENS_MS - 120_000 + dice.randrange(600_000) for _ in range(count - 2)]
    return sorted([*times, CLOSES_MS - 1, CLOSES_MS + 5])


def _trades(dice: random.Random) -> Iterable[str]:
    for ms in _moments(dice, 150):
        suspicious = int(dice.random() < 0.05)
        yield f"{ms},{100 * dice.randrange(9_900, 10_100)},{dice.randrange(1, 900)},N,1,{suspicious}"


def _quotes(dice: random.Random) -> Iterable[str]:
    """One side each, as the real ones are."""
    for ms in _moments(dice, 300):
        price, size = 100 * dice.randrange(9_850, 9_950), 100 * dice.randrange(1, 9)
        sides = f"{price},{size},0,0" if dice.random() < 0.5 else f"0,0,{price + 20_000},{size}"
        yield f"{ms},{sides},N,1,0"


def _trade_bars(dice: random.Random, begins: Iterable[int]) -> Iterable[str]:
    for ms in begins:
        if dice.random() < 0.8:
            yield f"{ms},{_prices(dice, 0)},{dice.randrange(1, 999)}"


def _quote_bars(dice: random.Random, begins: Iterable[int]) -> Iterable[str]:
    for ms in begins:
        bid = ",,,," if dice.random() < 0.1 else f"{_prices(dice, -30_000)},300"
        yield f"{ms},{bid},{_prices(dice, 30_000)},400"


def _prices(dice: random.Random, shift: int) -> str:
    opened, closed = (100 * dice.randrange(9_900, 10_100) + shift for _ in range(2))
    high, low = max(opened, closed) + 100 * dice.randrange(9), min(opened, closed) - 100 * dice.randrange(9)
    return f"{opened},{high},{low},{closed}"


Minutes = Mapping[datetime, tuple[Decimal, Decimal, Decimal, Decimal, Decimal]]


def minutes_of(root: Path, resolution: str, symbol: str, *, hours_only: bool) -> Minutes:
    """Open, high, low, close and volume of each minute in which something was traded."""
    found: dict[datetime, tuple[Decimal, Decimal, Decimal, Decimal, Decimal]] = {}
    for path in sorted((root / "equity/usa" / resolution / symbol).glob("*_trade.zip")):
        day = datetime.strptime(path.name[:8], "%Y%m%d").replace(tzinfo=ZoneInfo("America/New_York"))
        for row in rows(path):
            prices = row[1:2] * 4 if resolution == "tick" else row[1:5]
            ms, bar = int(row[0]), [Decimal(each) / 10_000 for each in prices]
            if (hours_only and not OPENS_MS <= ms < CLOSES_MS) or (resolution == "tick" and row[5] == "1"):
                continue
            volume = Decimal(row[2] if resolution == "tick" else row[5])
            opened, high, low, close = bar
            minute = (day + timedelta(minutes=ms // 60_000)).astimezone(UTC)
            known = found.get(minute, (opened, high, low, close, Decimal()))
            found[minute] = (known[0], max(known[1], high), min(known[2], low), close, known[4] + volume)
    return found


def rows(path: Path) -> list[list[str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.reader(io.StringIO(archive.read(archive.namelist()[0]).decode())))
