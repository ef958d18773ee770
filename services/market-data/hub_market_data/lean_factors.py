"""LEAN's factor files, equity/usa/factor_files/<symbol>.csv: day, price factor, split factor, closing price.

The first row is the day a symbol was listed, the last one lies far ahead with factors of one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from hub_market_data.domain.factors import Factors

_DAY: Final = re.compile(r"(\d{4})(\d{2})(\d{2})")
_NUMBER: Final = re.compile(r"\d{1,9}(\.\d{1,12})?")


def read_factors(root: Path, symbol: str) -> Sequence[Factors]:
    """Empty where the folder has none of it. Raises ValueError for a line that cannot be read."""
    path = root / "equity" / "usa" / "factor_files" / f"{symbol.lower()}.csv"
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                rows.append(_row(line.strip().split(",")))
            except ValueError as error:
                raise ValueError(f"{path.name}, line {number}: {error}") from None
    return rows


def _row(fields: Sequence[str]) -> Factors:
    if not 3 <= len(fields) <= 4:
        raise ValueError(f"it has {len(fields)} columns instead of 4")
    found = _DAY.fullmatch(fields[0])
    if found is None:
        raise ValueError(f"{fields[0][:20]!r} is no day")
    price, split = _positive(fields[1]), _positive(fields[2])
    close = _number(fields[3]) if len(fields) == 4 else None
    day = date(int(found[1]), int(found[2]), int(found[3]))
    return Factors(day=day, price=price, split=split, close=close)


def _positive(text: str) -> Decimal:
    number = _number(text)
    if not number:
        raise ValueError("a factor is 0")
    return number


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no number")
    return Decimal(text)
