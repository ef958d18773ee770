"""The ceiling: a bare HTTP front end and a bare gRPC service behind it, one process each, that do nothing.

No TLS, no interceptors, no logs, no metrics; the front end checks the token and reads the JSON as the gateway
does. Started by ceilings.py: `python -m tests.load.echo service PORT` and `... front|coalesced PORT SERVICE`,
with the verification key on standard input.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import grpc
import msgspec
import uvicorn
import uvloop
from grpc import aio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.auth.v1 import auth_pb2
from hub.order.v1 import order_pb2, order_pb2_grpc
from hub_batching import Batcher
from hub_gateway import render_orders
from hub_identity import Trust
from hub_runtime import uuid7

HOST = "127.0.0.1"


class Order(msgspec.Struct):
    symbol: str
    side: str
    type: str
    quantity: str


async def echo(request: order_pb2.SubmitOrdersRequest, context: Any) -> order_pb2.SubmitOrdersResponse:
    return order_pb2.SubmitOrdersResponse(results=[_result(item) for item in request.items])


def _result(item: order_pb2.OrderSubmission) -> order_pb2.SubmissionResult:
    order = order_pb2.Order(
        order_id=item.order_id,
        account_id=item.order_id,
        symbol=item.symbol,
        side=item.side,
        type=item.type,
        time_in_force=order_pb2.TIME_IN_FORCE_DAY,
        quantity=item.quantity,
        status=order_pb2.ORDER_STATUS_PENDING,
        filled_quantity="0",
        version=1,
    )
    order.accepted_at.GetCurrentTime()
    return order_pb2.SubmissionResult(order_id=item.order_id, accepted=order_pb2.Accepted(order=order))


class Front:
    def __init__(self, stub: order_pb2_grpc.OrderServiceStub, trust: Trust) -> None:
        self._stub = stub
        self._trust = trust
        self._read = msgspec.json.Decoder(Order).decode
        self.batcher: Batcher[order_pb2.OrderSubmission, order_pb2.SubmissionResult] = Batcher(self._send)

    async def alone(self, request: Request) -> Response:
        """One call for each order."""
        [result] = await self._send([await self._submission(request)])
        return _answer(result)

    async def together(self, request: Request) -> Response:
        """One call for all that queued meanwhile."""
        return _answer(await self.batcher.submit(await self._submission(request)))

    async def _submission(self, request: Request) -> order_pb2.OrderSubmission:
        token = request.headers["authorization"].removeprefix("Bearer ")
        self._trust.verify(token)
        body = self._read(await request.body())
        return order_pb2.OrderSubmission(
            order_id=str(uuid7()),
            access_token=token,
            symbol=body.symbol,
            side=order_pb2.Side.Value(f"SIDE_{body.side}"),
            type=order_pb2.OrderType.Value(f"ORDER_TYPE_{body.type}"),
            quantity=body.quantity,
            idempotency_key=request.headers["idempotency-key"],
        )

    async def _send(self, items: Sequence[order_pb2.OrderSubmission]) -> Sequence[order_pb2.SubmissionResult]:
        answer = await self._stub.SubmitOrders(order_pb2.SubmitOrdersRequest(items=items))
        return list(answer.results)


def _answer(result: order_pb2.SubmissionResult) -> Response:
    body = msgspec.json.encode(render_orders.order(result.accepted.order))
    return Response(body, status_code=202, media_type="application/json")


async def serve(port: int) -> None:
    server = aio.server()
    submit = grpc.unary_unary_rpc_method_handler(
        echo,
        request_deserializer=order_pb2.SubmitOrdersRequest.FromString,
        response_serializer=order_pb2.SubmitOrdersResponse.SerializeToString,
    )
    server.add_registered_method_handlers("hub.order.v1.OrderService", {"SubmitOrders": submit})
    server.add_insecure_port(f"{HOST}:{port}")
    await server.start()
    await server.wait_for_termination()


async def front(port: int, service: int, *, coalesced: bool, key_pem: str) -> None:
    trust = Trust()
    key = auth_pb2.VerificationKey(kid="test", algorithm="ES256", public_key_pem=key_pem)
    trust.apply(auth_pb2.WatchTrustResponse(snapshot=True, keys=[key]))
    async with aio.insecure_channel(f"{HOST}:{service}") as channel:
        there = Front(order_pb2_grpc.OrderServiceStub(channel), trust)
        async with there.batcher:
            handler = there.together if coalesced else there.alone
            app = Starlette(routes=[Route("/api/v1/orders", handler, methods=["POST"])])
            options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
            await uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, **options)).serve()


def main() -> None:
    match sys.argv[1:]:
        case ["service", port]:
            work = serve(int(port))
        case [kind, port, service]:
            key_pem = sys.stdin.read()
            work = front(int(port), int(service), coalesced=kind == "coalesced", key_pem=key_pem)
        case _:
            raise SystemExit(__doc__)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


if __name__ == "__main__":
    main()
