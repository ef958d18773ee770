"""Parts of positions <-> messages."""

from __future__ import annotations

from decimal import Decimal

from hub.position.v1 import views_pb2
from hub_money import to_text
from hub_position.domain.views import REST, Part, Parts
from hub_position.mapping.values import timestamp


def viewed_position(found: Parts) -> views_pb2.ViewedPosition:
    whole = found.whole
    return views_pb2.ViewedPosition(
        symbol=whole.symbol,
        quantity=to_text(whole.quantity),
        total_cost=to_text(whole.total_cost),
        views=[_part(each) for each in found.parts],
        rest=_part(found.rest),
        reduced=found.reduced,
    )


def _part(part: Part) -> views_pb2.PositionView:
    view, quantity, cost = part.view, to_text(part.quantity), to_text(part.total_cost)
    if view is None:
        return views_pb2.PositionView(name=REST, quantity=quantity, total_cost=cost)
    return views_pb2.PositionView(
        view_id=str(view.view_id),
        name=view.name.text,
        wanted_quantity=_text(view.quantity),
        wanted_percentage=_text(view.percentage),
        quantity=quantity,
        total_cost=cost,
        created_at=timestamp(view.created_at),
    )


def _text(value: Decimal | None) -> str:
    return "" if value is None else to_text(value)
