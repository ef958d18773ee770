"""What can be traded, and what may be asked about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from hub_errors import Invalid, NotFound

MAX_SYMBOLS: Final = 100
LONGEST_QUERY: Final = 100
LONGEST_REASON: Final = 200
_SYMBOL: Final = re.compile(r"[A-Z0-9.]{1,12}")
_WORDS: Final = re.compile(r"\w+")


class AssetClass(Enum):
    STOCK = "STOCK"
    ETF = "ETF"
    BOND = "BOND"
    CRYPTO = "CRYPTO"
    FUND = "FUND"


@dataclass(frozen=True, kw_only=True)
class Instrument:
    symbol: str
    name: str
    asset_class: AssetClass
    exchange: str
    currency: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    fractionable: bool
    tradable: bool
    shortable: bool
    halted: bool
    calendar: str
    settlement_calendar: str
    halt_reason: str = ""
    sector: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What the daily history of an instrument says; None where it has none."""

    high_52_weeks: Decimal | None = None
    low_52_weeks: Decimal | None = None
    average_volume: Decimal | None = None
    dividends_52_weeks: Decimal | None = None
    previous_close: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Search:
    """Part of the catalogue: the beginning of a symbol or words of the name, and a class."""

    query: str
    asset_class: AssetClass | None

    def __post_init__(self) -> None:
        if len(self.query) > LONGEST_QUERY:
            sentence = f"At most {LONGEST_QUERY} characters can be searched for."
            raise Invalid(sentence, code="invalid_query", field="query")

    def key(self) -> tuple[str, str]:
        """Equal for searches that find the same."""
        return self.query.strip().casefold(), self.asset_class.value if self.asset_class else ""

    def of(self, instruments: Iterable[Instrument]) -> Sequence[Instrument]:
        text, _ = self.key()
        words = _WORDS.findall(text)
        return [
            instrument
            for instrument in instruments
            if self.asset_class in {None, instrument.asset_class}
            and (instrument.symbol.casefold().startswith(text) or _has_words(instrument.name, words))
        ]


def is_symbol(text: str) -> bool:
    return _SYMBOL.fullmatch(text) is not None


def asked_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Each symbol once, in the order asked for."""
    if len(symbols) > MAX_SYMBOLS:
        raise Invalid(f"At most {MAX_SYMBOLS} symbols at once.", code="too_many_symbols", field="symbols")
    return tuple(dict.fromkeys(symbols))


def some_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """As above, and at least one."""
    if not symbols:
        raise Invalid("At least one symbol is needed.", code="no_symbols", field="symbols")
    return asked_symbols(symbols)


def halt_reason(text: str) -> str:
    reason = text.strip()
    if not 1 <= len(reason) <= LONGEST_REASON or not reason.isprintable():
        sentence = f"A reason of 1 to {LONGEST_REASON} printable characters is needed."
        raise Invalid(sentence, code="invalid_reason", field="reason")
    return reason


def unknown_symbol(field: str = "symbol") -> NotFound:
    return NotFound("There is no such instrument.", code="unknown_symbol", field=field)


def _has_words(name: str, words: Sequence[str]) -> bool:
    """Whether each word begins one of the name's."""
    own = _WORDS.findall(name.casefold())
    return bool(words) and all(any(each.startswith(word) for each in own) for word in words)
