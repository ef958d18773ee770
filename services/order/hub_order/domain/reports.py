"""What a venue says about orders. Values only; `outcome` says what they do to an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from hub_order.domain.order import Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """About one order. With `only_at` it is an offer: it counts only if the order still has that version.
    Without, it is a fact, whatever the order is now. `sending` tells which sending of the order it
    answers."""

    order_id: UUID
    only_at: int | None = None
    sending: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(Report):
    """An execution. Its id is the venue's own and unique for the order."""

    venue_execution_id: str
    quantity: Decimal
    price: Decimal
    quote: Quote
    venue_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Working(Report):
    """The venue has the order and keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Report):
    """The venue does nothing more for it now. `filled` is all that it filled of the order, ever; None where
    no execution can be on its way any more."""

    filled: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Report):
    """The venue has ended it, as it was asked to. `filled` is all that it filled of the order, ever."""

    filled: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced(Report):
    """The venue has ended it and has the order `successor` in its place. `filled` is all that it filled of
    the one that ended, ever."""

    successor: UUID
    filled: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRefused(Report):
    """The venue has not put `successor` in its place, and never will: it is as if nobody had asked."""

    successor: UUID
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRefused(Report):
    """Too late to end it: its executions are on their way, or came already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(Report):
    """The venue will not have it. The text is the venue's own."""

    text: str
