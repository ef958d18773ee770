"""Submits share calls; an order keeps its id through every re-send; an unknown outcome is said to be one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from grpc import aio

from hub.order.v1 import order_pb2, order_pb2_grpc
from hub_errors import Conflict, Exhausted, HubError, Invalid, Refused, Timeout, Unavailable
from hub_rpc import Server, status_number
from tests.gateway.world import LOCAL, Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

ACCOUNT_ID = "01a20e32-4061-7c52-9d0f-2f6a0f4f3b11"
ORDER = {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "quantity": "10"}

Behaviour = Callable[[order_pb2.OrderSubmission, int], HubError | None]


class Orders(order_pb2_grpc.OrderServiceServicer):
    """A peer that fails on purpose, as the real one cannot be asked to. It remembers every call."""

    def __init__(self) -> None:
        self.calls: list[list[order_pb2.OrderSubmission]] = []
        self.call_fails: Callable[[int], HubError | None] = lambda _: None
        self.item_fails: Behaviour = lambda _, __: None
        self.go = asyncio.Event()
        self.go.set()
        self.called = asyncio.Event()

    async def SubmitOrders(  # noqa: N802 - the contract's name
        self, request: order_pb2.SubmitOrdersRequest, context: aio.ServicerContext[Any, Any]
    ) -> order_pb2.SubmitOrdersResponse:
        self.calls.append(list(request.items))
        number = len(self.calls)
        self.called.set()
        await self.go.wait()
        if error := self.call_fails(number):
            raise error
        return order_pb2.SubmitOrdersResponse(results=[self._result(item, number) for item in request.items])

    def _result(self, item: order_pb2.OrderSubmission, number: int) -> order_pb2.SubmissionResult:
        if error := self.item_fails(item, number):
            refused = order_pb2.Refused(
                status=status_number(error), code=error.code, message=error.message, field=error.field
            )
            return order_pb2.SubmissionResult(order_id=item.order_id, refused=refused)
        order = order_pb2.Order(
            order_id=item.order_id,
            account_id=ACCOUNT_ID,
            symbol=item.symbol,
            side=item.side,
            type=item.type,
            time_in_force=item.time_in_force,
            quantity=item.quantity,
            status=order_pb2.ORDER_STATUS_PENDING,
            filled_quantity="0",
        )
        return order_pb2.SubmissionResult(order_id=item.order_id, accepted=order_pb2.Accepted(order=order))


@asynccontextmanager
async def serving(tls: Tls, orders: Orders) -> AsyncIterator[str]:
    table = {"hub.order.v1.OrderService": {"*": frozenset({"gateway"})}}
    registration = partial(order_pb2_grpc.add_OrderServiceServicer_to_server, orders)
    async with Server(LOCAL, tls.files("order"), table, [registration], drain_s=0, grace_s=0.1) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
async def orders(tls: Tls) -> Orders:
    return Orders()  # type: ignore[abstract]  # the rest is not called


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, orders: Orders) -> AsyncIterator[Gateway]:
    async with serving(tls, orders) as target:
        targets = {"order": target}
        async with running_gateway(tls, redis_server.dsn, targets=targets, submit_timeout_s=2.0) as gateway:
            yield gateway
            orders.go.set()


async def post(gateway: Gateway, **change: Any) -> httpx.Response:
    return await gateway.http.post("/api/v1/orders", json={**ORDER, **change}, headers=gateway.bearer())


async def at_once(gateway: Gateway, count: int) -> list[bytes]:
    """So many submits that are all on their way before the first is answered; the answers' first lines."""
    port = int(gateway.url.rpartition(":")[2])
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    body, token = json.dumps(ORDER), gateway.signer.token()
    head = f"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    for _, writer in connections:
        writer.write((head + body).encode())
    lines = [await reader.readline() for reader, _ in connections]
    for _, writer in connections:
        writer.close()
    return lines


async def test_64_concurrent_submits_are_at_most_8_calls(gateway: Gateway, orders: Orders) -> None:
    await at_once(gateway, 1)
    orders.calls.clear()
    assert set(await at_once(gateway, 64)) == {b"HTTP/1.1 202 Accepted\r\n"}
    assert len({item.order_id for call in orders.calls for item in call}) == 64
    assert 1 <= len(orders.calls) <= 8


async def test_what_the_client_says_reaches_the_order_service(gateway: Gateway, orders: Orders) -> None:
    body = {**ORDER, "type": "LIMIT", "limit_price": 99.50, "quantity": 0.10, "time_in_force": "GTC"}
    headers = {**gateway.bearer(), "idempotency-key": "key 1"}
    answer = await gateway.http.post(
        "/api/v1/orders", json={**body, "client_order_id": "mine"}, headers=headers
    )
    assert answer.status_code == 202, answer.text
    ((item,),) = orders.calls
    assert (item.quantity, item.limit_price) == ("0.1", "99.5")
    assert (item.side, item.type) == (order_pb2.SIDE_BUY, order_pb2.ORDER_TYPE_LIMIT)
    assert item.time_in_force == order_pb2.TIME_IN_FORCE_GTC
    assert (item.client_order_id, item.idempotency_key) == ("mine", "key 1")
    assert item.access_token == headers["authorization"].removeprefix("Bearer ")
    assert answer.headers["location"] == f"/api/v1/orders/{item.order_id}"
    assert answer.json()["order_id"] == item.order_id


async def test_the_body_hash_is_of_the_meaning_and_not_of_the_text(gateway: Gateway, orders: Orders) -> None:
    same: list[dict[str, Any]] = [{}, {"quantity": 10}, {"quantity": "10.0"}, {"time_in_force": "DAY"}]
    other: list[dict[str, Any]] = [{"quantity": "11"}, {"side": "SELL"}, {"client_order_id": "x"}]
    for change in same + other:
        assert (await post(gateway, **change)).status_code == 202
    hashes = [call[0].body_hash for call in orders.calls]
    assert len(set(hashes[: len(same)])) == 1
    assert len(set(hashes)) == 1 + len(other)


async def test_a_refused_item_does_not_touch_its_neighbours(gateway: Gateway, orders: Orders) -> None:
    def fails(item: order_pb2.OrderSubmission, _: int) -> HubError | None:
        errors: dict[str, HubError] = {
            "IBM": Refused("Not enough cash.", code="insufficient_funds", field="quantity"),
            "GOOG": Conflict("Used.", code="idempotency_key_reused", field="idempotency_key"),
            "FB": Exhausted("Slowly.", code="queue_full"),
            "MSFT": Invalid("No such step.", code="tick_size", field="limit_price"),
            "X": Unavailable("Old quotes.", code="market_data_unavailable"),
        }
        return errors.get(item.symbol)

    orders.item_fails = fails
    symbols = ["AAPL", "IBM", "GOOG", "FB", "MSFT", "X", "AAPL"]
    answers = await asyncio.gather(*(post(gateway, symbol=symbol) for symbol in symbols))
    assert [answer.status_code for answer in answers] == [202, 422, 409, 429, 400, 503, 202]
    assert answers[1].json()["code"] == "insufficient_funds"
    assert answers[1].json()["field"] == "quantity"
    assert answers[2].json()["field"] == "Idempotency-Key"
    assert answers[5].json()["code"] == "market_data_unavailable"


async def test_a_re_send_carries_the_same_id(gateway: Gateway, orders: Orders) -> None:
    away = Unavailable("Away.", code="peer_unavailable")
    orders.call_fails = lambda number: away if number < 4 else None
    answer = await post(gateway)
    assert answer.status_code == 202
    assert len(orders.calls) == 4
    assert {call[0].order_id for call in orders.calls} == {answer.json()["order_id"]}
    assert len({call[0].SerializeToString() for call in orders.calls}) == 1


async def test_an_item_the_database_lost_sight_of_is_sent_again(gateway: Gateway, orders: Orders) -> None:
    lost = Unavailable("Away.", code="database_unavailable")
    orders.item_fails = lambda _, number: lost if number < 3 else None
    assert (await post(gateway)).status_code == 202
    assert len({call[0].order_id for call in orders.calls}) == 1


@pytest.mark.parametrize(
    "error",
    [
        Timeout("Late.", code="deadline_exceeded"),
        Unavailable("Away.", code="database_unavailable"),
        HubError("Its id is 1.", code="internal"),
    ],
    ids=lambda error: error.code,
)
async def test_an_outcome_nobody_knows_is_in_doubt_and_names_the_order(
    gateway: Gateway, orders: Orders, error: HubError
) -> None:
    orders.item_fails = lambda _, __: error
    answer = await post(gateway)
    assert (answer.status_code, answer.json()["code"]) == (503, "in_doubt")
    assert answer.json()["order_id"] == orders.calls[0][0].order_id


async def test_in_doubt_with_a_key_says_to_repeat_it_and_names_no_order_that_may_never_exist(
    gateway: Gateway, orders: Orders
) -> None:
    orders.call_fails = lambda _: Timeout("Late.", code="deadline_exceeded")
    headers = {**gateway.bearer(), "idempotency-key": "lost answer"}
    answer = await gateway.http.post("/api/v1/orders", json=ORDER, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "in_doubt")
    assert "order_id" not in answer.json()
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_an_answer_that_does_not_come_in_time_is_in_doubt(gateway: Gateway, orders: Orders) -> None:
    orders.go.clear()
    async with asyncio.timeout(10):
        answer = await post(gateway)
    assert (answer.status_code, answer.json()["code"]) == (503, "in_doubt")
    assert answer.json()["order_id"] == orders.calls[0][0].order_id


async def test_an_order_that_was_never_sent_is_not_in_doubt(tls: Tls, redis_server: Login) -> None:
    async with running_gateway(tls, redis_server.dsn, submit_timeout_s=1.0) as gateway:
        codes = [(await post(gateway)).json()["code"] for _ in range(8)]
    assert codes[-1] == "peer_unavailable"  # the breaker is open: nothing leaves the process


async def test_a_batch_that_fails_for_one_item_succeeds_for_the_others(
    gateway: Gateway, orders: Orders
) -> None:
    def poisoned(number: int) -> HubError | None:
        bad = any(item.symbol == "BAD" for item in orders.calls[number - 1])
        return HubError("Something.", code="internal") if bad else None

    orders.call_fails = poisoned
    orders.go.clear()
    sent = [asyncio.create_task(post(gateway, symbol=symbol)) for symbol in ("AAPL", "BAD", "IBM", "MSFT")]
    async with asyncio.timeout(5):
        await orders.called.wait()
    orders.go.set()
    statuses = [answer.status_code for answer in await asyncio.gather(*sent)]
    assert statuses == [202, 503, 202, 202]


async def test_nothing_of_a_crash_reaches_the_client(gateway: Gateway, orders: Orders) -> None:
    def crash(_: int) -> HubError | None:
        raise ValueError("postgres://user:secret@host")

    orders.call_fails = crash
    answer = await post(gateway)
    assert "secret" not in answer.text
    assert answer.status_code == 503


def test_the_token_of_an_item_is_hidden_in_texts() -> None:
    options = order_pb2.OrderSubmission.DESCRIPTOR.fields_by_name["access_token"].GetOptions()
    assert options.debug_redact
