"""What was recorded on one day, as one digest that follows the digest of the day before: a chain whose end
was cut off, or an order that is gone with all its records, does not fit to it any more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hub_order.audit.canonical import canonical, hash_of


@dataclass(slots=True)
class Tally:
    """How many rows there are, and a digest over them in the order in which they are added."""

    count: int = 0
    _sum: Any = field(default_factory=hashlib.sha256)

    def add(self, *fields: Any) -> None:
        self.count += 1
        self._sum.update(canonical(*fields) + b"\n")

    @property
    def digest(self) -> bytes:
        digest: bytes = self._sum.digest()
        return digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """All that was recorded on one UTC day, and the digest of the day before."""

    day: date
    orders: int
    """To how many orders something happened."""
    records: int
    refusals: int
    executions: int
    records_digest: bytes
    refusals_digest: bytes
    executions_digest: bytes
    prev_digest: bytes

    @property
    def digest(self) -> bytes:
        counts = self.orders, self.records, self.refusals, self.executions
        parts = self.records_digest, self.refusals_digest, self.executions_digest, self.prev_digest
        return hash_of(self.day.isoformat(), *counts, *(part.hex() for part in parts))


def bounds(day: date) -> tuple[datetime, datetime]:
    """The first moment of the day, and that of the next."""
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def anchor_faults(stored: Anchor, digest: bytes, found: Anchor) -> Iterator[str]:
    """What an anchor, its stored digest and what is there now do not agree on."""
    if stored.digest != digest:
        yield "its anchor was changed"
    if stored.prev_digest != found.prev_digest:
        yield "its anchor does not follow the one of the day before"
    for what in ("records", "refusals", "executions"):
        before, now = getattr(stored, what), getattr(found, what)
        if (before, getattr(stored, f"{what}_digest")) != (now, getattr(found, f"{what}_digest")):
            yield f"its {what} are not those that were anchored: {before} then, {now} now"
    if stored.orders != found.orders:
        yield f"its orders are not those that were anchored: {stored.orders} then, {found.orders} now"
