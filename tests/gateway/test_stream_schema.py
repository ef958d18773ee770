"""The JSON Schema that is served holds for every message that really goes over the wire, both ways."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub.quote_stream.v1 import quote_stream_pb2
from hub.quote_stream.v1.quote_stream_pb2_grpc import add_QuoteStreamServiceServicer_to_server
from hub_events import envelope
from hub_gateway.session import Session
from hub_quote_stream.mapping import updates
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_runtime import uuid7
from tests.gateway.canned import canned
from tests.gateway.test_stream import Upstream, dial, say, upstream
from tests.gateway.test_stream_adversity import _following, owners
from tests.gateway.world import Gateway
from tests.support.servers import Login
from tests.support.tls import Tls

__all__ = ["upstream"]


async def served(gateway: Gateway) -> dict[str, Any]:
    answer = await gateway.http.get("/docs/stream.schema.json")
    assert answer.headers["content-type"] == "application/schema+json"
    schema: dict[str, Any] = answer.json()
    Draft202012Validator.check_schema(schema)
    return schema


def validator(schema: dict[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]})


def happened(account: str) -> list[quote_stream_pb2.AccountUpdate]:
    """One update of each kind, as quote-stream makes them of events."""
    order = order_pb2.Order(order_id=str(uuid7()), account_id=account, version=1, symbol="AAPL", quantity="1")
    order.side, order.type = order_pb2.SIDE_BUY, order_pb2.ORDER_TYPE_MARKET
    order.time_in_force, order.status = order_pb2.TIME_IN_FORCE_DAY, order_pb2.ORDER_STATUS_PENDING
    order.filled_quantity = "0"
    order.accepted_at.GetCurrentTime()
    order.updated_at.GetCurrentTime()
    position = event_pb2.PositionChanged(
        kind="ACTIVE", symbol="AAPL", quantity="1", total_cost="10", realised_pnl="-0.5", version=1
    )
    cash = event_pb2.AccountChanged(cash="10", held="0", buying_power="10", version=1)
    events = [
        envelope("order.accepted", order.order_id, account, event_pb2.OrderAccepted(order=order)),
        envelope("position.changed", "AAPL", account, position),
        envelope("account.changed", account, account, cash),
    ]
    return [update for event in events for update in updates(event)]


async def test_every_message_of_the_server_is_in_the_schema(
    tls: Tls, redis_server: Login, upstream: Upstream
) -> None:
    account, seen = str(uuid7()), set[str]()
    register = partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(upstream.frames))
    upstream.tick()
    async with canned(tls) as peers, _following(tls, redis_server, [register], peers.targets) as gateway:
        schema = await served(gateway)
        told = validator(schema, "FromServer")
        peers.answers |= owners(0)
        async with dial(gateway) as client:

            async def hear(kind: str) -> None:
                while True:
                    message = json.loads(await client.recv())
                    told.validate(message)
                    seen.add(message["type"])
                    if message["type"] == kind:
                        return

            await say(client, type="auth", token=gateway.signer.token(account_id=account))
            await hear("authenticated")
            await say(client, type="subscribe", symbols=["AAPL", "NOPE"], orders=True)
            await hear("orders_snapshot")
            upstream.tick()
            await hear("quotes_patch")
            for update in happened(account):
                upstream.frames.update(update)
            for kind in ("order_update", "position_update", "account_update"):
                await hear(kind)
            upstream.epoch += 1
            upstream.tick()
            await hear("resync")
            await say(client, type="subscribe", symbols="AAPL")
            await hear("error")
            [session] = gateway.sockets._sessions
            assert isinstance(session, Session)
            session._beat()
            await hear("heartbeat")
            session.end(4401, "token_expired")
            await hear("error")
    every = {ref["$ref"].rpartition("/")[2] for ref in schema["$defs"]["FromServer"]["anyOf"]}
    assert seen == {schema["$defs"][name]["properties"]["type"]["enum"][0] for name in every}


@pytest.mark.parametrize(
    ("message", "good"),
    [
        ({"type": "auth", "token": "x"}, True),
        ({"type": "subscribe", "symbols": ["AAPL"], "orders": True}, True),
        ({"type": "subscribe"}, True),
        ({"type": "unsubscribe", "symbols": []}, True),
        ({"type": "auth"}, False),
        ({"type": "dance"}, False),
        ({"type": "subscribe", "symbols": "AAPL"}, False),
        ({"type": "subscribe", "colour": 1}, False),
        ({}, False),
    ],
)
async def test_what_a_client_may_say_is_in_it_too(lonely: Gateway, message: Any, good: bool) -> None:
    said = validator(await served(lonely), "FromClient")
    if good:
        said.validate(message)
    else:
        with pytest.raises(jsonschema.ValidationError):
            said.validate(message)
