"""The chain of what was refused: one per order id, beside the order's own, which no refusal changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hub_order.audit.canonical import FIRST, hash_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request about an order that was refused. `order_id` is what the caller named; the account's id where
    the request names no order. `detail` is what was asked for, `quote` what it was judged by: texts."""

    order_id: UUID
    account_id: UUID
    request: str
    code: str
    field: str
    sentence: str
    actor: str
    occurred_at: datetime
    detail: Mapping[str, str]
    quote: Mapping[str, str] | None = None

    @property
    def content_hash(self) -> bytes:
        return hash_of(
            *(self.order_id, self.account_id, self.request, self.code, self.field, self.sentence),
            *(self.actor, self.occurred_at, dict(self.detail)),
            None if self.quote is None else dict(self.quote),
        )

    def hash_after(self, prev_hash: bytes) -> bytes:
        """As the database computes it, which alone knows what came before."""
        return hashlib.sha256(prev_hash + self.content_hash).digest()


@dataclass(frozen=True, slots=True)
class StoredRefusal:
    refusal: Refusal
    number: int
    prev_hash: bytes
    hash: bytes


@dataclass(slots=True)
class RefusalChain:
    """Reads refusals in the order of (order_id, number), and keeps no more than the last of them."""

    whole: bool = True
    """Whether every chain is read from its first refusal."""
    _order_id: UUID | None = field(default=None, init=False)
    _number: int = field(default=0, init=False)
    _hash: bytes = field(default=FIRST, init=False)

    def faults(self, stored: StoredRefusal) -> list[str]:
        found = []
        first = stored.refusal.order_id != self._order_id
        if first:
            self._number, self._hash = 0, FIRST
        if not first or self.whole or stored.number == 1:
            if stored.number != self._number + 1:
                found.append(f"refusal {self._number + 1} is missing: found number {stored.number}")
            if stored.prev_hash != self._hash:
                found.append(f"refusal {stored.number} does not follow the one before")
        if stored.refusal.hash_after(stored.prev_hash) != stored.hash:
            found.append(f"refusal {stored.number} was changed")
        self._order_id, self._number, self._hash = stored.refusal.order_id, stored.number, stored.hash
        return found
