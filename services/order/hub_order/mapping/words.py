"""The numbers of the contract and the words of the domain, both ways."""

from __future__ import annotations

from collections.abc import Mapping

from hub.order.v1 import order_pb2
from hub_order.domain import OrderType, Side, Status, TimeInForce

SIDES: Mapping[int, Side] = {order_pb2.SIDE_BUY: Side.BUY, order_pb2.SIDE_SELL: Side.SELL}
TYPES: Mapping[int, OrderType] = {
    order_pb2.ORDER_TYPE_MARKET: OrderType.MARKET,
    order_pb2.ORDER_TYPE_LIMIT: OrderType.LIMIT,
    order_pb2.ORDER_TYPE_STOP_LOSS: OrderType.STOP_LOSS,
    order_pb2.ORDER_TYPE_STOP_LIMIT: OrderType.STOP_LIMIT,
    order_pb2.ORDER_TYPE_TRAILING_STOP: OrderType.TRAILING_STOP,
}
TIMES_IN_FORCE: Mapping[int, TimeInForce] = {
    order_pb2.TIME_IN_FORCE_UNSPECIFIED: TimeInForce.DAY,
    order_pb2.TIME_IN_FORCE_DAY: TimeInForce.DAY,
    order_pb2.TIME_IN_FORCE_GTC: TimeInForce.GTC,
    order_pb2.TIME_IN_FORCE_IOC: TimeInForce.IOC,
    order_pb2.TIME_IN_FORCE_FOK: TimeInForce.FOK,
}
STATUSES = {
    Status.PENDING: order_pb2.ORDER_STATUS_PENDING,
    Status.PROCESSING: order_pb2.ORDER_STATUS_PROCESSING,
    Status.PARTIALLY_EXECUTED: order_pb2.ORDER_STATUS_PARTIALLY_EXECUTED,
    Status.EXECUTED: order_pb2.ORDER_STATUS_EXECUTED,
    Status.CANCELLED: order_pb2.ORDER_STATUS_CANCELLED,
    Status.EXPIRED: order_pb2.ORDER_STATUS_EXPIRED,
    Status.REPLACED: order_pb2.ORDER_STATUS_REPLACED,
    Status.FAILED: order_pb2.ORDER_STATUS_FAILED,
}
SIDE_NUMBERS = {Side.BUY: order_pb2.SIDE_BUY, Side.SELL: order_pb2.SIDE_SELL}
TYPE_NUMBERS = {kind: order_pb2.OrderType.Value(f"ORDER_TYPE_{kind}") for kind in OrderType}
TIME_IN_FORCE_NUMBERS = {kind: order_pb2.TimeInForce.Value(f"TIME_IN_FORCE_{kind}") for kind in TimeInForce}
STATUS_WORDS: Mapping[int, Status] = {number: status for status, number in STATUSES.items()}
