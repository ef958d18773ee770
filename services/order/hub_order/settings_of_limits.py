"""How limits are read from settings. What is wrong raises ValueError with a sentence for the operator."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from hub_money import LIMIT, PLACES
from hub_order.risk.policy import ByClass

ASSET_CLASSES = ("STOCK", "ETF", "BOND", "CRYPTO", "FUND")


def share(text: str) -> Decimal:
    number = _decimal(text)
    if not 0 <= number < 1:
        raise ValueError("must be a share: from 0, and below 1")
    return number


def multiple(text: str) -> Decimal:
    number = _decimal(text)
    if not 1 <= number <= 1_000_000:
        raise ValueError("must be a multiple: from 1 to 1000000")
    return number


def amount(text: str) -> Decimal:
    number = _decimal(text)
    if not 0 < number < LIMIT:
        raise ValueError(f"must be above 0 and below {LIMIT:f}")
    return number


def count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise ValueError("must be a whole number above 0")
    return int(text)


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


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal number") from None
    if not number.is_finite() or number != round(number, PLACES):
        raise ValueError(f"must be a decimal number with at most {PLACES} places")
    return number
