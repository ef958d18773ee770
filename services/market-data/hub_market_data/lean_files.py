"""LEAN's layout on disk: equity/usa/{tick,second,minute}/<symbol>/<YYYYMMDD>_{trade,quote}.zip.

The folder is that of the name which a symbol had on that day (`lean_maps`); files that are nobody's are left
out.
Each archive has one CSV file. Times are milliseconds since midnight in New York, prices are times 10,000:

- a trade: time, price, size, exchange, condition, suspicious
- a quote: time, bid, bid size, ask, ask size, exchange, condition, suspicious; 0 where a side is not said
- a bar of trades: time of its begin, open, high, low, close, volume
- a bar of quotes: the same of the bid with its last size, then of the ask
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache, partial
from heapq import merge
from pathlib import Path
from typing import IO, Final

from hub_market_data.domain.instruments import is_symbol
from hub_market_data.lean_maps import Names
from hub_runtime import counter, get_logger

RESOLUTIONS: Final = {"tick": 0, "second": 1_000_000, "minute": 60_000_000}
"""How long a line's bar is, in microseconds."""
_SCALE: Final = -4
_LONGEST_LINE: Final = 400
_LONGEST_DAY_US: Final = 25 * 3600 * 1_000_000
_FILE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})_(trade|quote)\.zip")
_NUMBER: Final = re.compile(rb"\d{1,14}(\.\d{1,4})?")
# Of one file; how many there are in all, its end says.
_TOLD: Final = 5
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)

log = get_logger("lean")


@dataclass(frozen=True, slots=True)
class Trade:
    us: int  # since midnight in New York
    symbol: str
    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Market:
    """0 where a side is not said."""

    us: int
    symbol: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal


Event = Trade | Market
_Read = Callable[[str, Sequence[bytes]], Sequence[Event]]


@dataclass(frozen=True)
class LeanFolder:
    """Raises ValueError for one that has nothing of this resolution."""

    root: Path
    resolution: str
    _files: dict[date, list[tuple[str, str, Path]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        folder = self._usa / self.resolution
        if not folder.is_dir():
            raise ValueError(f"there is no equity/usa/{self.resolution} in {self.root}")
        for path in sorted(folder.glob("*/*.zip")):
            found = _FILE.fullmatch(path.name)
            if found is None:
                log.warning("lean_file_unknown", file=str(path))
                continue
            day = date(int(found[1]), int(found[2]), int(found[3]))
            symbol = self._names.symbol(path.parent.name.upper(), day)
            if symbol is None or not is_symbol(symbol):
                log.warning("lean_file_of_nobody", file=str(path))
                continue
            # Of what happens at the same moment the quote comes first.
            self._files.setdefault(day, []).append((symbol, found[4], path))
        if not self._files:
            raise ValueError(f"there are no files in {folder}")

    @property
    def _usa(self) -> Path:
        return self.root / "equity" / "usa"

    @cached_property
    def _names(self) -> Names:
        return Names(self._usa / "map_files")

    @property
    def days(self) -> Sequence[date]:
        return sorted(self._files)

    @property
    def symbols(self) -> Sequence[str]:
        return sorted({symbol for files in self._files.values() for symbol, _, _ in files})

    def exchange(self, symbol: str) -> str:
        """The letter of the exchange where its map file says it was listed last; empty where none does."""
        return self._names.exchange(symbol)

    def events(self, day: date, symbols: Container[str]) -> Iterator[Event]:
        """Of these symbols, in the order of their times. Reads as it goes; what cannot be read is told and
        left out."""
        files = self._of(day, symbols)
        streams = [
            _read_file(path, partial(_reader(kind, self.resolution), symbol)) for symbol, kind, path in files
        ]
        return merge(*streams, key=_time)

    def mark(self, day: date, symbols: Container[str]) -> int:
        """The same for the same files."""
        names = [
            f"{path.relative_to(self.root)} {path.stat().st_size}" for _, _, path in self._of(day, symbols)
        ]
        return zlib.crc32("\n".join(names).encode())

    def _of(self, day: date, symbols: Container[str]) -> Sequence[tuple[str, str, Path]]:
        return [each for each in self._files.get(day, ()) if each[0] in symbols]


def _time(event: Event) -> int:
    return event.us


def _read_file(path: Path, read: Callable[[Sequence[bytes]], Sequence[Event]]) -> Iterator[Event]:
    faults = _Faults(path)
    latest = 0
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_only_entry(archive)) as lines:
            for number, line in _numbered(lines):
                try:
                    events = read(line.rstrip(b"\r\n").split(b","))
                    if events and events[0].us < latest:
                        raise ValueError("it comes before the line above")
                except ValueError as error:
                    faults.line(number, error)
                    continue
                yield from events
                latest = events[-1].us if events else latest
    except _BROKEN as error:
        faults.file(error)
    faults.sum_up()


def _numbered(lines: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    return enumerate(iter(lambda: lines.readline(_LONGEST_LINE), b""), start=1)


def _only_entry(archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if name.endswith(".csv")]
    if len(names) != 1:
        raise zipfile.BadZipFile(f"it has {len(names)} CSV files")
    return names[0]


class _Faults:
    """Of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        self._counter = counter(
            "hub_market_feed_faults_total", "What of a feed could not be used, by kind", ("kind",)
        )

    def line(self, number: int, error: ValueError) -> None:
        self._lines += 1
        self._counter.labels("line").inc()
        if self._lines <= _TOLD:
            log.warning("lean_line_broken", file=str(self._path), line=number, reason=str(error))

    def file(self, error: Exception) -> None:
        self._counter.labels("file").inc()
        text = f"{self._path} is broken: {error}; the feed goes on without the rest of it"
        log.error("lean_file_broken", file=str(self._path), reason=str(error), highlight=True, text=text)

    def sum_up(self) -> None:
        if self._lines > _TOLD:
            log.warning("lean_lines_broken", file=str(self._path), lines=self._lines)


def _reader(kind: str, resolution: str) -> _Read:
    length = RESOLUTIONS[resolution]
    if not length:
        return _trade if kind == "trade" else _quote
    return partial(_trade_bar if kind == "trade" else _quote_bar, length)


def _trade(symbol: str, fields: Sequence[bytes]) -> Sequence[Event]:
    _expect(fields, 6)
    time, price, size, _, _, suspicious = fields
    event = Trade(_us(time), symbol, _price(price), _size(size))
    if not event.price or not event.size:
        raise ValueError("a trade has no price, or no size")
    return () if suspicious == b"1" else (event,)


def _quote(symbol: str, fields: Sequence[bytes]) -> Sequence[Event]:
    _expect(fields, 8)
    time, bid, bid_size, ask, ask_size, _, _, suspicious = fields
    event = Market(_us(time), symbol, _price(bid), _size(bid_size), _price(ask), _size(ask_size))
    return () if suspicious == b"1" else (event,)


def _trade_bar(length: int, symbol: str, fields: Sequence[bytes]) -> Sequence[Event]:
    """As four trades in quarters of its time: nobody knows more than that."""
    _expect(fields, 6)
    begins, size = _us(fields[0]), _size(fields[5]) / 4
    prices = _path([_price(each) for each in fields[1:5]])
    if not all(prices) or not size:
        raise ValueError("a bar of trades has no price, or no size")
    return [Trade(begins + n * length // 4, symbol, price, size) for n, price in enumerate(prices)]


def _quote_bar(length: int, symbol: str, fields: Sequence[bytes]) -> Sequence[Event]:
    _expect(fields, 11)
    begins, bid_size, ask_size = _us(fields[0]), _size(fields[5]), _size(fields[10])
    bids = _path([_price(each) for each in fields[1:5]])
    asks = _path([_price(each) for each in fields[6:10]])
    return [
        Market(begins + n * length // 4, symbol, bid, bid_size, ask, ask_size)
        for n, (bid, ask) in enumerate(zip(bids, asks, strict=True))
    ]


def _path(prices: Sequence[Decimal]) -> Sequence[Decimal]:
    """Through open, high, low and close: first to the side from which the close comes back."""
    opened, high, low, close = prices
    if low > min(opened, close) or high < max(opened, close):
        raise ValueError("a bar leaves its high and low")
    return (opened, low, high, close) if close >= opened else (opened, high, low, close)


def _expect(fields: Sequence[bytes], count: int) -> None:
    if len(fields) != count:
        raise ValueError(f"it has {len(fields)} columns instead of {count}")


def _us(text: bytes) -> int:
    if not text:
        raise ValueError("it has no time")
    us = int(_number(text) * 1000)
    if us >= _LONGEST_DAY_US:
        raise ValueError("its time is beyond the day")
    return us


# The same few texts come again and again.
@lru_cache(65_536)
def _price(text: bytes) -> Decimal:
    return _number(text).scaleb(_SCALE)


@lru_cache(65_536)
def _size(text: bytes) -> Decimal:
    return _number(text)


def _number(text: bytes) -> Decimal:
    """Bars leave a side empty that was not quoted."""
    if not text:
        return Decimal()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no number")
    return Decimal(text.decode("ascii"))
