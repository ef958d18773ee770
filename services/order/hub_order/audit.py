"""The chain of everything that happened to an order: each record carries the hash of the one before. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

FIRST = b""
# Writes what json.dumps writes with sorted keys and without spaces, as long as all is ASCII that can be seen.
_DELETE = b"\x7f"
_encode = msgspec.json.Encoder(order="deterministic").encode


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
        content = [
            *(str(self.order_id), self.version, str(self.account_id), self.kind, self.status, self.reason),
            *(self.actor, self.occurred_at.isoformat(), dict(self.detail)),
            *(None if self.quote is None else dict(self.quote), self.prev_hash.hex()),
        ]
        text = _encode(content)
        if not text.isascii() or _DELETE in text:  # what is written down once stays as it was written
            text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return hashlib.sha256(text).digest()


def faults(chain: Sequence[tuple[Record, bytes]], *, head: bytes, version: int) -> list[str]:
    """What is wrong with an order's records and their stored hashes; empty when nobody touched them."""
    found = []
    before = FIRST
    for expected, (record, stored) in enumerate(chain, start=1):
        if record.version != expected:
            found.append(f"record {expected} is missing: found version {record.version}")
        if record.prev_hash != before:
            found.append(f"record {record.version} does not follow the one before")
        if record.hash != stored:
            found.append(f"record {record.version} was changed")
        before = stored
    if before != head or len(chain) != version:
        found.append("the order does not point to the last record")
    return found
