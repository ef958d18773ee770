"""The chain of everything that happened to an order: each record carries the hash of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_order.audit.canonical import FIRST, hash_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One change of an order. `detail` and `quote` hold texts, so that they hash the same when read back."""

    order_id: UUID
    version: int
    account_id: UUID
    kind: str
    status: str
    reason: str
    actor: str
    occurred_at: datetime
    detail: Mapping[str, str]
    quote: Mapping[str, str] | None
    prev_hash: bytes

    @property
    def hash(self) -> bytes:
        return hash_of(
            *(self.order_id, self.version, self.account_id, self.kind, self.status, self.reason),
            *(self.actor, self.occurred_at, dict(self.detail)),
            *(None if self.quote is None else dict(self.quote), self.prev_hash.hex()),
        )


def faults(chain: Sequence[tuple[Record, bytes]], *, head: bytes, version: int) -> list[str]:
    """What is wrong with an order's records and their stored hashes; empty when nobody touched them."""
    found = []
    before, expected = FIRST, 1
    for record, stored in chain:
        if record.version != expected:
            found.append(f"record {expected} is missing: found version {record.version}")
        if record.prev_hash != before:
            found.append(f"record {record.version} does not follow the one before")
        if record.hash != stored:
            found.append(f"record {record.version} was changed")
        before, expected = stored, record.version + 1
    if before != head or expected - 1 != version:
        found.append("the order does not point to the last record")
    return found
