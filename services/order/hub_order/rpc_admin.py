"""OrderAdminService over gRPC: message to values, use case, values to message."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from grpc import aio

from hub.order.v1 import order_pb2, order_pb2_grpc
from hub_errors import Invalid
from hub_identity import Trust, current_principal, require_role
from hub_money import parse_decimal, to_text
from hub_order import mapping
from hub_order.risk import AccountLimits
from hub_order.store import LimitsStore, Orders, Reconciling
from hub_order.usecases.cancel import cancel_all_of
from hub_order.usecases.limits import get_limits, set_limits

Context = aio.ServicerContext[Any, Any]


class OrderAdminService(order_pb2_grpc.OrderAdminServiceServicer):
    def __init__(
        self, *, trust: Trust, limits: LimitsStore, orders: Orders, reconciling: Reconciling
    ) -> None:
        self._trust = trust
        self._orders = orders
        self._limits = limits
        self._reconciling = reconciling

    async def GetAccountLimits(
        self, request: order_pb2.GetAccountLimitsRequest, context: Context
    ) -> order_pb2.GetAccountLimitsResponse:
        principal = current_principal(self._trust)
        account_id = mapping.uuid(request.account_id, field="account_id")
        own = await get_limits(account_id, principal, store=self._limits)
        return order_pb2.GetAccountLimitsResponse(own=_message(own))

    async def SetAccountLimits(
        self, request: order_pb2.SetAccountLimitsRequest, context: Context
    ) -> order_pb2.SetAccountLimitsResponse:
        principal = current_principal(self._trust)
        account_id = mapping.uuid(request.account_id, field="account_id")
        limits = _limits(request.limits)
        own = await set_limits(account_id, limits, request.reason, principal, store=self._limits)
        return order_pb2.SetAccountLimitsResponse(own=_message(own))

    async def CancelAccountOrders(
        self, request: order_pb2.CancelAccountOrdersRequest, context: Context
    ) -> order_pb2.CancelAccountOrdersResponse:
        principal = current_principal(self._trust)
        account_id = mapping.uuid(request.account_id, field="account_id")
        ended, more = await cancel_all_of(account_id, principal, orders=self._orders)
        return order_pb2.CancelAccountOrdersResponse(
            orders=[mapping.order_message(order) for order in ended], more=more
        )

    async def GetReconciliation(
        self, request: order_pb2.GetReconciliationRequest, context: Context
    ) -> order_pb2.GetReconciliationResponse:
        require_role(current_principal(self._trust), "admin")
        newest = await self._reconciling.newest()
        found = None if newest is None else mapping.reconciliation_message(newest)
        return order_pb2.GetReconciliationResponse(reconciliation=found)


def _limits(message: order_pb2.AccountLimits) -> AccountLimits:
    if message.orders_per_minute < 0:
        sentence = "orders_per_minute must not be below zero."
        raise Invalid(sentence, code="not_positive", field="limits.orders_per_minute")
    return AccountLimits(
        most_value=_amount(message.most_value, "limits.most_value"),
        most_quantity=_amount(message.most_quantity, "limits.most_quantity"),
        most_position=_amount(message.most_position, "limits.most_position"),
        orders_per_minute=message.orders_per_minute or None,
    )


def _amount(text: str, field: str) -> Decimal | None:
    return parse_decimal(text, field=field) if text else None


def _message(limits: AccountLimits) -> order_pb2.AccountLimits:
    return order_pb2.AccountLimits(
        most_value=_text(limits.most_value),
        most_quantity=_text(limits.most_quantity),
        most_position=_text(limits.most_position),
        orders_per_minute=limits.orders_per_minute or 0,
    )


def _text(value: Decimal | None) -> str:
    return "" if value is None else to_text(value)
