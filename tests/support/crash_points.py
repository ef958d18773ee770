"""Every crash point, as libs/runtime/README.md lists them, so that a test can die at each."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "libs/runtime/README.md"
_PLACES: Final = {"<name>": ("order", "position"), "<family>": ("orders", "positions")}


def listed() -> list[str]:
    """As they stand in the table: relay.<name>.before_publish."""
    part = PAGE.read_text(encoding="utf-8").partition("| point | where |")[2]
    return re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE)


def crash_points(prefix: str = "") -> list[str]:
    """As they are armed: relay.order.before_publish, relay.position.before_publish."""
    return [name for pattern in listed() for name in _expand(pattern) if name.startswith(prefix)]


def _expand(pattern: str) -> list[str]:
    places = [place for place in _PLACES if place in pattern]
    names = []
    for values in product(*(_PLACES[place] for place in places)):
        name = pattern
        for place, value in zip(places, values, strict=True):
            name = name.replace(place, value)
        names.append(name)
    return names
