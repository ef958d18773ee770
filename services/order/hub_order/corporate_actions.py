"""Corporate actions whose day has come: market-data says which, position applies them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from grpc import aio

from hub.market_data.v1 import corporate_actions_pb2 as due_pb2
from hub.market_data.v1 import corporate_actions_pb2_grpc as due_pb2_grpc
from hub.position.v1 import corporate_actions_pb2 as books_pb2
from hub.position.v1 import corporate_actions_pb2_grpc as books_pb2_grpc
from hub_order import mapping
from hub_postgres import Uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class DueAction:
    """A split has a ratio, and perhaps a price for parts of shares; a dividend has an amount: decimal
    strings, passed on as they are."""

    action_id: UUID
    symbol: str
    ratio: str
    amount: str
    effective_at: datetime
    cash_in_lieu_price: str = ""

    @property
    def is_split(self) -> bool:
        return bool(self.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`open_holds` keep a split from beginning."""

    open_holds: int
    left: int
    done: bool


class DueActions:
    """The market-data service's, over a channel of `hub_rpc`."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = due_pb2_grpc.CorporateActionServiceStub(channel)

    async def due(self) -> list[DueAction]:
        """In the order in which they took effect."""
        answer = await self._stub.ListDueCorporateActions(due_pb2.ListDueCorporateActionsRequest())
        return [_due(each) for each in answer.actions]

    async def complete(self, action: DueAction) -> None:
        request = due_pb2.CompleteCorporateActionRequest(action_id=str(action.action_id))
        await self._stub.CompleteCorporateAction(request)


class ActionBooks:
    """The position service's, over a channel of `hub_rpc`."""

    def __init__(self, channel: aio.Channel) -> None:
        self._stub = books_pb2_grpc.CorporateActionServiceStub(channel)

    async def apply(self, action: DueAction) -> Progress:
        """To some more accounts."""
        request = books_pb2.ApplyCorporateActionRequest(
            action_id=str(action.action_id),
            symbol=action.symbol,
            ratio=action.ratio,
            amount=action.amount,
            effective_at=mapping.timestamp(action.effective_at),
            cash_in_lieu_price=action.cash_in_lieu_price,
        )
        answer = await self._stub.ApplyCorporateAction(request)
        return Progress(open_holds=answer.open_holds, left=answer.left, done=answer.done)


def _due(message: due_pb2.DueCorporateAction) -> DueAction:
    return DueAction(
        action_id=Uuid(message.action_id),
        symbol=message.action.symbol,
        ratio=message.action.ratio,
        amount=message.action.amount,
        effective_at=message.effective_at.ToDatetime(tzinfo=UTC),
        cash_in_lieu_price=message.cash_in_lieu_price,
    )
