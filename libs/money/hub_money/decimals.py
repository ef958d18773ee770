"""Numbers as they are stored (NUMERIC(20,8)) and sent (plain decimal strings)."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Final

from hub_errors import Invalid

PLACES: Final = 8
LIMIT: Final = Decimal(10) ** 12  # NUMERIC(20,8) has twelve digits before the point

_QUANTUM: Final = Decimal(1).scaleb(-PLACES)
# Wide enough for the product of any two storable numbers, so that nothing is rounded before it is asked for.
_WIDE: Final = Context(prec=64, rounding=ROUND_HALF_EVEN)
_REMEMBERED: Final = 24  # characters at most, so that nobody fills the memory
_PLAIN: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def parse_decimal(text: str, *, field: str, positive: bool = True, places: int = PLACES) -> Decimal:
    """Reads a plain decimal (no exponent); with `positive`, zero and below are refused."""
    value = _seen(text, positive, places) if len(text) <= _REMEMBERED else None
    return value if value is not None else _read(text, field, positive=positive, places=places)


@lru_cache(8192)
def _seen(text: str, positive: bool, places: int) -> Decimal | None:
    """The same few texts come again and again. None where there is something to complain about."""
    try:
        return _read(text, "", positive=positive, places=places)
    except Invalid:
        return None


def _read(text: str, field: str, *, positive: bool, places: int) -> Decimal:
    if not _PLAIN.fullmatch(text):
        raise Invalid(f"{field} must be a plain decimal number.", code="invalid_decimal", field=field)
    value = Decimal(text)
    if positive and value <= 0:
        raise Invalid(f"{field} must be greater than zero.", code="not_positive", field=field)
    if value.copy_abs() >= LIMIT:  # abs() may overflow
        raise Invalid(f"{field} is too large.", code="too_large", field=field)
    scaled = value.quantize(Decimal(1).scaleb(-places), context=_WIDE)
    if scaled != value:
        raise Invalid(f"{field} has more than {places} decimal places.", code="too_precise", field=field)
    return scaled + 0  # makes -0 a 0


def to_text(value: Decimal) -> str:
    """Plain notation without an exponent and without trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def money(value: Decimal) -> Decimal:
    """Rounded to the stored scale, half to even."""
    return value.quantize(_QUANTUM, context=_WIDE)


def average(value: Decimal, quantity: Decimal) -> Decimal:
    """What one of the quantity (above zero) costs, half to even. The value was rounded at 8 places: of less
    than one, the quotient says fewer places of the price for certain, and only these are told."""
    places = PLACES if quantity >= 1 else max(PLACES - 1 + quantity.adjusted(), 0)
    return _WIDE.divide(value, quantity).quantize(Decimal(1).scaleb(-places), context=_WIDE)


def multiple_of(value: Decimal, step: Decimal) -> bool:
    """Whether a price fits its tick, or a quantity its lot."""
    return _WIDE.remainder(value, step) == 0
