"""Parts of positions."""

from __future__ import annotations

from typing import Annotated

from hub_gateway.types.common import Answer, Decimal, Id, Symbol, Time, described


class PositionView(Answer, frozen=True):
    """A part of a position as it is now."""

    view_id: Annotated[Id | None, described("null of what is left.")]
    name: Annotated[str, described("`rest` of what is left.", "Long term")]
    wanted_quantity: Annotated[Decimal | None, described("The shares that it was made for.", "5")]
    wanted_percentage: Annotated[Decimal | None, described("Or the part of the position, in per cent.", "50")]
    quantity: Annotated[Decimal, described("The shares in it.", "5")]
    total_cost: Annotated[Decimal, described("Its share of what the position cost.", "500")]
    created_at: Time | None


class ViewedPosition(Answer, frozen=True):
    """A position and its parts, which together are the position."""

    symbol: Symbol
    quantity: Decimal
    total_cost: Decimal
    views: Annotated[list[PositionView], described("In the order they were made in.")]
    rest: Annotated[PositionView, described("What is in no part.")]
    reduced: Annotated[
        bool, described("The parts were made for more than there is: all have less by the same factor.")
    ]
