"""LEAN's map files, equity/usa/map_files/<symbol of today>.csv: a name's last day, the name, its exchange.

Files of prices lie in the folder of the name that their symbol had on their day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from hub_runtime import get_logger

_LINE: Final = re.compile(r"(\d{4})(\d{2})(\d{2}),([^,\s]{1,32})(?:,([^,]*))?(?:,.*)?")

log = get_logger("lean")


@dataclass(frozen=True, slots=True)
class Name:
    """What `symbol`, as it is called today, was called from the first to the last day."""

    symbol: str
    name: str
    first_day: date
    last_day: date
    exchange: str


class Names:
    """A symbol without a map file was never called otherwise."""

    def __init__(self, folder: Path) -> None:
        self._of: dict[str, Sequence[Name]] = {}
        self._with: dict[str, list[Name]] = {}
        for path in sorted(folder.glob("*.csv")):
            symbol = path.stem.upper()
            try:
                self._of[symbol] = _read(path, symbol)
            except (OSError, ValueError) as error:
                log.warning("lean_map_broken", file=str(path), reason=str(error))
                continue
            for each in self._of[symbol]:
                self._with.setdefault(each.name, []).append(each)

    def symbol(self, name: str, day: date) -> str | None:
        """Who was called so on that day; None where somebody is called so, but was not yet, or is no more."""
        known = (each for each in self._with.get(name, ()) if each.first_day <= day <= each.last_day)
        found = next(known, None)
        if found is not None:
            return found.symbol
        return None if name in self._of else name

    def exchange(self, symbol: str) -> str:
        """The letter of the exchange where it was listed last; empty where that is not said."""
        names = self._of.get(symbol, ())
        return names[-1].exchange if names else ""


def _read(path: Path, symbol: str) -> Sequence[Name]:
    names, first = list[Name](), date.min
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        last = date(int(found[1]), int(found[2]), int(found[3])) if found else date.min
        if found is None or last < first:
            raise ValueError(f"line {number} is no name, or comes before the one above")
        names.append(Name(symbol, found[4].upper(), first, last, (found[5] or "").strip()))
        first = last + timedelta(days=1)
    return names
