"""What an account's ledger comes to at one of its postings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from hub_position.domain.actions import CorporateAction

ZERO = Decimal(0)


class Owned(NamedTuple):
    quantity: Decimal = ZERO
    total_cost: Decimal = ZERO


@dataclass(frozen=True)
class LedgerSums:
    """Of all postings up to `through`; `owned` by symbol, without what is nothing."""

    through: int = 0
    settled: Decimal = ZERO
    unsettled: Decimal = ZERO
    owned: Mapping[str, Owned] = field(default_factory=dict)

    def plus(self, more: LedgerSums) -> LedgerSums:
        """With those of the stretch that follows."""
        owned = dict(self.owned)
        for symbol, each in more.owned.items():
            before = owned.get(symbol, Owned())
            owned[symbol] = Owned(before.quantity + each.quantity, before.total_cost + each.total_cost)
        return LedgerSums(
            through=more.through,
            settled=self.settled + more.settled,
            unsettled=self.unsettled + more.unsettled,
            owned={symbol: owned[symbol] for symbol in sorted(owned) if any(owned[symbol])},
        )


@dataclass(frozen=True)
class KnownSplit:
    """A split that the books know of. `folded`: the account's position has it folded in by now; `posting_id`
    is that of its line, where it changed the position."""

    action: CorporateAction
    known_at: datetime
    folded: bool
    posting_id: int | None

    def is_in(self, through: int, until: datetime | None) -> bool:
        """Whether shares as of that posting, the last one before that time, are those that it has made. One
        that found nothing to multiply is in what was booked after it became known."""
        if not self.folded:
            return False
        if self.posting_id is not None:
            return self.posting_id <= through
        return until is None or self.known_at < until


@dataclass(frozen=True)
class CutSplit:
    """Whether the shares are new ones, or still those from before it."""

    effective_at: datetime
    ratio: Decimal
    included: bool


@dataclass(frozen=True)
class CutPosition:
    symbol: str
    owned: Owned
    splits: Sequence[CutSplit]


@dataclass(frozen=True)
class Cut:
    """A ledger as of one of its postings; positions in symbol order."""

    currency: str
    opened_at: datetime
    sums: LedgerSums
    positions: Sequence[CutPosition]


def positions_of(
    sums: LedgerSums, known: Mapping[str, Sequence[KnownSplit]], until: datetime | None
) -> list[CutPosition]:
    return [
        CutPosition(
            symbol,
            owned,
            [
                CutSplit(each.action.effective_at, each.action.number, each.is_in(sums.through, until))
                for each in known.get(symbol, ())
            ],
        )
        for symbol, owned in sums.owned.items()
    ]
