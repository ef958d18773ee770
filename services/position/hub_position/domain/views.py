"""Parts that a user makes of a position, to look at. They are computed when they are read: trades, the ledger
and what can be sold know nothing of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final
from uuid import UUID

from hub_errors import Conflict, Invalid, NotFound, Refused
from hub_money import PLACES, parse_decimal, to_text
from hub_position.domain.actions import MANY_DIGITS
from hub_position.domain.trade import EXACT_DIGITS, share
from hub_texts import Name

ZERO: Final = Decimal(0)
HUNDRED: Final = Decimal(100)
MOST_VIEWS: Final = 20
# What is left of a position, once its parts are taken from it.
REST: Final = "rest"
_EXACT: Final = Context(prec=EXACT_DIGITS)
_DOWN: Final = Context(prec=EXACT_DIGITS, rounding=ROUND_DOWN)
_PLACES: Final = Decimal(1).scaleb(-PLACES)


@dataclass(frozen=True)
class View:
    """One of quantity and percentage says what it was made for."""

    view_id: UUID
    name: Name
    quantity: Decimal | None
    percentage: Decimal | None
    created_at: datetime

    def wanted(self, whole: Decimal) -> Decimal:
        """Of so many shares, before anything is rounded."""
        if self.quantity is not None:
            return self.quantity
        return _EXACT.divide(_EXACT.multiply(max(whole, ZERO), self.percentage or ZERO), HUNDRED)


@dataclass(frozen=True)
class Whole:
    """A position with the views of it, in the order they were made in."""

    symbol: str
    quantity: Decimal
    total_cost: Decimal
    views: Sequence[View] = ()
    split_factor: Decimal = Decimal(1)
    """What the splits that the quantity knows of come to: sizes of views are for shares of these."""

    @property
    def wanted(self) -> Decimal:
        return sum((view.wanted(self.quantity) for view in self.views), ZERO)


@dataclass(frozen=True)
class Part:
    """`view` is None for what is left."""

    view: View | None
    quantity: Decimal
    total_cost: Decimal


@dataclass(frozen=True)
class Parts:
    """They add up to the position, in shares and in cost."""

    whole: Whole
    parts: Sequence[Part]
    rest: Part
    reduced: bool


def divide(whole: Whole) -> Parts:
    """Each view has what it was made for; where that is more than there is, all have less by the same factor.
    Rounded is the sum up to each part, shares down and cost half to even: so nothing is lost between them."""
    wanted, reduced = whole.wanted, whole.wanted > max(whole.quantity, ZERO)
    parts, so_far, shares, cost = list[Part](), ZERO, ZERO, ZERO
    for view in whole.views:
        so_far += view.wanted(whole.quantity)
        to_here = _to_here(whole.quantity, so_far, wanted if reduced else None)
        cost_to_here = share(whole.total_cost, to_here, whole.quantity) if to_here else ZERO
        parts.append(Part(view, to_here - shares, cost_to_here - cost))
        shares, cost = to_here, cost_to_here
    return Parts(whole, parts, Part(None, whole.quantity - shares, whole.total_cost - cost), reduced)


def _to_here(quantity: Decimal, so_far: Decimal, wanted: Decimal | None) -> Decimal:
    if quantity <= 0:
        return ZERO
    exact = so_far if wanted is None else _DOWN.divide(_EXACT.multiply(so_far, quantity), wanted)
    return exact.quantize(_PLACES, context=_DOWN)


def after_splits(quantity: Decimal, said: Decimal, now: Decimal) -> Decimal:
    """So many shares, by the split factor of when they were said and that of now; rounded down, so that parts
    which fitted into the position still do, where it paid out no part of a share."""
    exact = Context(prec=MANY_DIGITS, rounding=ROUND_DOWN)
    return exact.divide(exact.multiply(quantity, now), said).quantize(_PLACES, context=exact)


def read_size(quantity: str, percentage: str) -> tuple[Decimal | None, Decimal | None]:
    """Quantity or percentage."""
    if bool(quantity) == bool(percentage):
        sentence = "A part is made by quantity or by percentage: one of both."
        raise Invalid(sentence, code="quantity_or_percentage", field="quantity")
    if quantity:
        return parse_decimal(quantity, field="quantity"), None
    found = parse_decimal(percentage, field="percentage")
    if found > HUNDRED:
        sentence = "percentage must be above 0 and at most 100."
        raise Invalid(sentence, code="invalid_percentage", field="percentage")
    return None, found


def with_view(whole: Whole, new: View) -> Whole:
    """Raises what keeps it out."""
    if whole.quantity <= 0:
        raise no_position()
    if new.name.key in {REST, *(view.name.key for view in whole.views)}:
        raise Conflict("There is a part of this name.", code="view_name_taken", field="name")
    if len(whole.views) >= MOST_VIEWS:
        sentence = f"There are {MOST_VIEWS} parts, which is as many as there may be."
        raise Refused(sentence, code="too_many_views")
    after = replace(whole, views=[*whole.views, new])
    if after.wanted > whole.quantity:
        left = max(whole.quantity - whole.wanted, ZERO).quantize(_PLACES, context=_DOWN)
        sentence = f"The position has {to_text(left)} shares that are in no part."
        field = "percentage" if new.quantity is None else "quantity"
        raise Refused(sentence, code="exceeds_position", field=field)
    return after


def merged(whole: Whole, gone: View, into: UUID) -> View:
    """The one that takes the other in: percentages stay percentages, anything else is so many shares as both
    were made for now."""
    found = next((view for view in whole.views if view.view_id == into), None)
    if found is None:
        raise NotFound("There is no such part.", code="view_not_found", field="into")
    if found.view_id == gone.view_id:
        raise Invalid("A part cannot be put into itself.", code="invalid_value", field="into")
    if found.percentage is not None and gone.percentage is not None:
        return replace(found, percentage=found.percentage + gone.percentage)
    shares = found.wanted(whole.quantity) + gone.wanted(whole.quantity)
    return replace(found, quantity=shares.quantize(_PLACES, context=_DOWN), percentage=None)


def no_position() -> NotFound:
    return NotFound("There is no such position.", code="position_not_found", field="symbol")
