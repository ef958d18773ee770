"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import time
from typing import Final
from uuid import UUID

# Chance is fetched for many ids at once: a system call each would be most of what an id costs.
_FETCHED: Final = 4096
_chances: list[int] = []


def uuid7() -> UUID:
    """UUIDv7: milliseconds, then twelve bits of the fraction of the millisecond, then chance."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | _chance())


def uuid7_text() -> str:
    """As it is written, where nobody needs the value."""
    digits = f"{uuid7().int:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _chance() -> int:
    """62 bits."""
    if not _chances:
        fetched = os.urandom(_FETCHED)
        _chances.extend(int.from_bytes(fetched[at : at + 8]) >> 2 for at in range(0, _FETCHED, 8))
    return _chances.pop()
