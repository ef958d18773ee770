"""What the books say twice, and what of it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from hub_errors import Unavailable


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
    too_long: Sequence[UUID] = ()
    """Those that were begun, and have too much to be looked at in the time that there is."""
    out_of_time: bool = False
    """There are others, which were not begun."""


class TookTooLong(Unavailable):
    """There is more to add up than there is time for."""

    def __init__(self) -> None:
        super().__init__("Checking the books of these accounts takes too long.", code="books_too_large")
