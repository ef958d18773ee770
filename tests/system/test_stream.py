"""The live stream over all processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hub_local.stack import Stack
from tests.quote_stream.quotes import Follower
from tests.system.user import NewUser, User


def dial(stack: Stack, user: User) -> connect:
    url = f"ws{stack.gateway_url.removeprefix('http')}/api/v1/stream"
    headers = {"authorization": user.http.headers["authorization"]}
    return connect(url, additional_headers=headers, compression=None, proxy=None)


async def subscribe(client: ClientConnection, **wanted: Any) -> None:
    await client.send(json.dumps({"type": "subscribe", **wanted}))


async def hear(client: ClientConnection, enough: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Messages up to and with the one that is waited for."""
    heard: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not heard or not enough(heard[-1]):
            heard.append(json.loads(await client.recv()))
    return heard


async def test_patches_keep_a_client_at_the_markets_state(stack: Stack, new_user: NewUser) -> None:
    user, follower = await new_user(), Follower()
    async with dial(stack, user) as client:
        await subscribe(client, symbols=["AAPL", "MSFT", "IBM"])
        async with asyncio.timeout(30):
            while follower.patches < 30:
                follower.take(json.loads(await client.recv()))
        told = follower.document["quotes"]["AAPL"]
        asked = await user.get("/api/v1/market-data/AAPL")
    assert follower.snapshots == 3
    assert set(told) | {"epoch", "seq"} == set(asked)


async def test_an_order_is_followed_from_acceptance_to_books(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    half = (Decimal((await user.get("/api/v1/market-data/AAPL"))["ask"]) / 2).quantize(Decimal("0.01"))
    resting = await user.buy("AAPL", "1", type="LIMIT", limit_price=str(half))
    async with dial(stack, user) as client:
        await subscribe(client, orders=True)
        first = (await hear(client, lambda message: message["type"] == "orders_snapshot"))[-1]
        assert [order["order_id"] for order in first["orders"]] == [resting["order_id"]]
        assert Decimal(first["balance"]["held"]) == half
        other = await user.buy("AAPL", "1", type="LIMIT", limit_price=str(half))

        def rests(message: dict[str, Any]) -> bool:
            return (message.get("order_id"), message.get("version")) == (other["order_id"], 2)

        told = (await hear(client, rests))[-1]["order"]
        assert told["status"] == "PROCESSING"
        assert told == (await user.get(f"/api/v1/orders/{other['order_id']}"))["order"]
        order = await user.buy("MSFT", "2")
        to_come = {"order_update", "position_update"}  # from two services: either may come first

        def last_of_both(message: dict[str, Any]) -> bool:
            if message["type"] != "order_update" or message["order"]["status"] == "EXECUTED":
                to_come.discard(message["type"])
            return not to_come

        heard = await hear(client, last_of_both)
        updates = [m for m in heard if m["type"] == "order_update" and m["order_id"] == order["order_id"]]
        assert updates[-1]["order"] == (await user.get(f"/api/v1/orders/{order['order_id']}"))["order"]
        (position,) = [m for m in heard if m["type"] == "position_update"]
        assert (position["symbol"], position["position"]["quantity"]) == ("MSFT", "2")


async def test_nobody_hears_of_another_account(stack: Stack, new_user: NewUser) -> None:
    user, other = await asyncio.gather(new_user(), new_user())
    async with dial(stack, other) as client:
        await subscribe(client, orders=True)
        await hear(client, lambda message: message["type"] == "orders_snapshot")
        order = await user.buy("AAPL", "1")
        await user.position("AAPL", "1")
        own = await other.buy("IBM", "1")
        heard = await hear(client, lambda message: message["type"] == "position_update")
    ids = {message["order_id"] for message in heard if message["type"] == "order_update"}
    assert ids == {own["order_id"]}
    assert order["order_id"] not in json.dumps(heard)


async def test_logging_out_closes_the_users_sockets(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    async with dial(stack, user) as client:
        assert (await user.http.post("/api/v1/auth/logout")).status_code == 204
        try:
            async with asyncio.timeout(10):
                await hear(client, lambda _: False)
        except ConnectionClosed:
            pass
    assert (client.close_code, client.close_reason) == (4401, "token_revoked")
