"""What the books say twice, and what of it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True)
class BookDifference:
    """`expected` follows from the facts, `found` is what is written; `id` is a symbol, a trade or a ledger
    transaction, and empty for what the account itself has."""

    kind: str
    account_id: UUID
    id: str
    expected: Decimal
    found: Decimal


@dataclass(frozen=True)
class Checked:
    """The accounts that were looked at, and what is wrong with them."""

    account_ids: Sequence[UUID]
    differences: Sequence[BookDifference]
    more: int
