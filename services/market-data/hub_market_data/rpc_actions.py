"""CorporateActionService: what the order service asks to carry actions out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from grpc import aio

from hub.market_data.v1 import corporate_actions_pb2 as pb
from hub.market_data.v1 import corporate_actions_pb2_grpc
from hub_errors import Invalid
from hub_market_data.mapping.bars import action_to_proto
from hub_market_data.mapping.times import timestamp
from hub_market_data.usecases.announcing import Announcing, complete, lieu_price, list_due
from hub_money import to_text

Context = aio.ServicerContext[Any, Any]


class CorporateActionRpc(corporate_actions_pb2_grpc.CorporateActionServiceServicer):
    def __init__(self, announcing: Announcing) -> None:
        self._announcing = announcing

    async def ListDueCorporateActions(
        self, request: pb.ListDueCorporateActionsRequest, context: Context
    ) -> pb.ListDueCorporateActionsResponse:
        due = list[pb.DueCorporateAction]()
        for action, effective_at in await list_due(self._announcing):
            price = await lieu_price(self._announcing, action)
            due.append(
                pb.DueCorporateAction(
                    action_id=str(action.action_id),
                    action=action_to_proto(action),
                    effective_at=timestamp(effective_at),
                    cash_in_lieu_price="" if price is None else to_text(price),
                )
            )
        return pb.ListDueCorporateActionsResponse(actions=due)

    async def CompleteCorporateAction(
        self, request: pb.CompleteCorporateActionRequest, context: Context
    ) -> pb.CompleteCorporateActionResponse:
        try:
            action_id = UUID(request.action_id)
        except ValueError:
            raise Invalid("action_id is no id.", code="invalid_id", field="action_id") from None
        await complete(self._announcing, action_id)
        return pb.CompleteCorporateActionResponse()
