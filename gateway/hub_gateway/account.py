"""What a socket is sent first about its account: open orders and balance, from their owners."""

from __future__ import annotations

from typing import Final

import msgspec

from hub.order.v1 import order_pb2
from hub.position.v1 import position_pb2
from hub_gateway import render, render_orders
from hub_gateway.gate import Caller
from hub_gateway.peers import Peers
from hub_gateway.types.orders import Order
from hub_rpc import calling_as

MOST_PAGES: Final = 10
ROWS: Final = 100


class Account:
    def __init__(self, peers: Peers) -> None:
        self._order = peers.order
        self._position = peers.position

    async def snapshot(self, caller: Caller) -> bytes:
        """`complete` is false when there are more open orders than are sent."""
        with calling_as(caller.token):
            balance = await self._position.GetBalance(position_pb2.GetBalanceRequest())
            orders: list[Order] = []
            token = ""
            for _ in range(MOST_PAGES):
                wanted = order_pb2.ListOrdersRequest(open_only=True, page_size=ROWS, page_token=token)
                page = await self._order.ListOrders(wanted)
                orders.extend(render_orders.order(order) for order in page.orders)
                token = page.next_page_token
                if not token:
                    break
        document = {
            "type": "orders_snapshot",
            "orders": orders,
            "balance": render.balance(balance),
            "complete": not token,
        }
        return msgspec.json.encode(document)
