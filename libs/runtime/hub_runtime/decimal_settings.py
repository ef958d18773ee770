"""Settings that are exact numbers, general ones and those of some asset classes. A wrong one raises
ValueError and says why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

from hub_money import PLACES

ASSET_CLASSES: Final = ("STOCK", "ETF", "BOND", "CRYPTO", "FUND")
ByClass = tuple[tuple[str, Decimal], ...]


def decimal_number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite() or number != round(number, PLACES):
        raise ValueError(f"must be a decimal number with at most {PLACES} places")
    return number


def share(text: str) -> Decimal:
    number = decimal_number(text)
    if not 0 <= number < 1:
        raise ValueError("must be a share: from 0, and below 1")
    return number


def by_class(read: Callable[[str], Decimal]) -> Callable[[str], ByClass]:
    """Reads `CRYPTO=100000,ETF=2000000`, each value by `read`."""

    def parse(text: str) -> ByClass:
        found: dict[str, Decimal] = {}
        for part in filter(None, map(str.strip, text.split(","))):
            asset_class, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not value:
                raise ValueError(f"must be like CRYPTO=1,ETF=2; {part} is not")
            if asset_class not in ASSET_CLASSES:
                raise ValueError(f"{asset_class} is none of {', '.join(ASSET_CLASSES)}")
            if asset_class in found:
                raise ValueError(f"{asset_class} is there twice")
            try:
                found[asset_class] = read(value)
            except ValueError as error:
                raise ValueError(f"{asset_class} {error}") from None
        return tuple(found.items())

    return parse
