"""Replacing an order and closing a position: the new order has an id before the first send, and keeps it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from google.protobuf.message import Message

from hub.order.v1 import order_pb2
from hub_errors import Conflict, Exhausted, HubError, NotFound, Refused, Timeout, Unavailable
from tests.gateway.canned import Peers, canned
from tests.gateway.examples import an_order
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

ORDER = an_order()
REPLACE = ("PATCH", f"/api/v1/orders/{ORDER.order_id}")
CLOSE = ("POST", "/api/v1/positions/AAPL/close")
BODY = {"quantity": "5"}
both = pytest.mark.parametrize(
    ("route", "rpc"), [(REPLACE, "ReplaceOrder"), (CLOSE, "ClosePosition")], ids=["replace", "close"]
)


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        made.answers = {
            "ReplaceOrder": lambda asked: order_pb2.ReplaceOrderResponse(
                accepted=order_pb2.Accepted(order=an_order(asked.new_order_id, replaces=asked.order_id))
            ),
            "ClosePosition": lambda asked: order_pb2.ClosePositionResponse(
                accepted=order_pb2.Accepted(order=an_order(asked.order_id))
            ),
        }
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets, submit_timeout_s=2.0) as gateway:
        yield gateway


async def send(
    gateway: Gateway, route: tuple[str, str], body: Any = None, *, key: str = ""
) -> httpx.Response:
    method, path = route
    headers = {**gateway.bearer(), **({"idempotency-key": key} if key else {})}
    return await gateway.http.request(method, path, json=BODY if body is None else body, headers=headers)


def minted(asked: Message) -> str:
    """The id that the gateway gave the new order."""
    return str(getattr(asked, "new_order_id", "") or getattr(asked, "order_id", ""))


def at_first(peers: Peers, rpc: str, times: int, error: HubError) -> None:
    """The peer fails so often, then it answers."""
    good: Any = peers.answers[rpc]

    def answer(asked: Any) -> Message:
        if len(peers.asked[rpc]) <= times:
            raise error
        made: Message = good(asked)
        return made

    peers.answers[rpc] = answer


async def test_what_is_to_change_reaches_the_order_service(gateway: Gateway, peers: Peers) -> None:
    body = {"quantity": 5.0, "limit_price": "99", "time_in_force": "DAY", "client_order_id": "mine"}
    answer = await send(gateway, REPLACE, body, key="once")
    assert answer.status_code == 202, answer.text
    [asked] = peers.asked["ReplaceOrder"]
    assert (asked.order_id, asked.idempotency_key) == (ORDER.order_id, "once")
    assert (asked.quantity, asked.limit_price, asked.stop_price) == ("5", "99", "")
    assert (asked.time_in_force, asked.client_order_id) == (order_pb2.TIME_IN_FORCE_DAY, "mine")
    assert UUID(asked.new_order_id).version == 7
    assert answer.json()["order_id"] == asked.new_order_id
    assert answer.json()["replaces"] == ORDER.order_id
    assert answer.headers["location"] == f"/api/v1/orders/{asked.new_order_id}"


async def test_what_is_not_named_stays_as_it_is(gateway: Gateway, peers: Peers) -> None:
    assert (await send(gateway, REPLACE, {"trail_percent": "3"})).status_code == 202
    [asked] = peers.asked["ReplaceOrder"]
    assert asked.time_in_force == order_pb2.TIME_IN_FORCE_UNSPECIFIED
    assert (asked.quantity, asked.trail_percent) == ("", "3")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "nothing_to_replace", None),
        ({"quantity": None}, "nothing_to_replace", None),
        ({"client_order_id": ""}, "nothing_to_replace", None),
        ({"quantity": "0"}, "not_positive", "quantity"),
        ({"trail_percent": "100"}, "trail_too_large", "trail_percent"),
        ({"trail_percent": "1", "trail_amount": "1"}, "trail_not_allowed", "trail_percent"),
        ({"time_in_force": "OPG"}, "invalid_value", "time_in_force"),
        ({"symbol": "IBM"}, "unknown_field", "symbol"),
        ({"client_order_id": "a\nb"}, "invalid_characters", "client_order_id"),
    ],
)
async def test_a_replacement_that_can_never_be_right(
    lonely: Gateway, body: dict[str, Any], code: str, field: str | None
) -> None:
    problem(await send(lonely, REPLACE, body), 400, code, field)


@pytest.mark.parametrize(
    ("content", "quantity", "percentage"),
    [(b"", "", ""), (b"{}", "", ""), (b'{"quantity": 2.50}', "2.5", ""), (b'{"percentage":"50"}', "", "50")],
)
async def test_a_position_is_closed_whole_or_in_part(
    gateway: Gateway, peers: Peers, content: bytes, quantity: str, percentage: str
) -> None:
    headers = gateway.bearer() | ({"content-type": "application/json"} if content else {})
    answer = await gateway.http.request(*CLOSE, content=content, headers=headers)
    assert answer.status_code == 202, answer.text
    [asked] = peers.asked["ClosePosition"]
    assert (asked.symbol, asked.quantity, asked.percentage) == ("AAPL", quantity, percentage)
    assert answer.headers["location"] == f"/api/v1/orders/{asked.order_id}"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"percentage": "100.5"}, "invalid_percentage", "percentage"),
        ({"percentage": "0"}, "not_positive", "percentage"),
        ({"percentage": "5", "quantity": "5"}, "invalid_percentage", "percentage"),
        ({"quantity": "-1"}, "not_positive", "quantity"),
        ({"quantity": None}, "wrong_type", "quantity"),
        ({"percentage": None}, "wrong_type", "percentage"),
        ({"symbol": "IBM"}, "unknown_field", "symbol"),
        ([], "wrong_type", None),
    ],
)
async def test_a_close_that_can_never_be_right(
    lonely: Gateway, body: Any, code: str, field: str | None
) -> None:
    problem(await send(lonely, CLOSE, body), 400, code, field)


async def test_a_body_that_is_there_must_say_that_it_is_json(lonely: Gateway) -> None:
    headers = {**lonely.bearer(), "content-type": "text/plain"}
    answer = await lonely.http.request(*CLOSE, content=b"{}", headers=headers)
    problem(answer, 415, "unsupported_media_type")


async def test_what_cannot_be_a_symbol_or_an_id_is_not_found(lonely: Gateway) -> None:
    problem(await send(lonely, ("POST", "/api/v1/positions/aapl/close")), 404, "unknown_symbol", "symbol")
    problem(await send(lonely, ("PATCH", "/api/v1/orders/1")), 404, "order_not_found")


@both
async def test_a_re_send_carries_the_same_id(
    gateway: Gateway, peers: Peers, route: tuple[str, str], rpc: str
) -> None:
    at_first(peers, rpc, 2, Unavailable("Away.", code="database_unavailable"))
    answer = await send(gateway, route)
    assert answer.status_code == 202, answer.text
    assert len(peers.asked[rpc]) == 3
    assert len({each.SerializeToString() for each in peers.asked[rpc]}) == 1
    assert answer.json()["order_id"] == minted(peers.asked[rpc][0])


@both
@pytest.mark.parametrize(
    "error",
    [
        Timeout("Late.", code="deadline_exceeded"),
        Unavailable("Away.", code="database_unavailable"),
        HubError("Its id is 1.", code="internal"),
    ],
    ids=lambda error: error.code,
)
async def test_an_outcome_nobody_knows_is_in_doubt_and_names_the_new_order(
    gateway: Gateway, peers: Peers, route: tuple[str, str], rpc: str, error: HubError
) -> None:
    peers.answers[rpc] = error
    answer = await send(gateway, route)
    problem(answer, 503, "in_doubt")
    assert answer.json()["order_id"] == minted(peers.asked[rpc][0])


@both
async def test_an_answer_that_does_not_come_in_time_is_in_doubt(
    gateway: Gateway, peers: Peers, route: tuple[str, str], rpc: str
) -> None:
    peers.may_answer.clear()
    answer = await send(gateway, route)
    peers.may_answer.set()
    problem(answer, 503, "in_doubt")
    assert answer.json()["order_id"] == minted(peers.asked[rpc][0])


@both
async def test_in_doubt_with_a_key_says_to_repeat_it(
    gateway: Gateway, peers: Peers, route: tuple[str, str], rpc: str
) -> None:
    peers.answers[rpc] = Timeout("Late.", code="deadline_exceeded")
    answer = await send(gateway, route, key="lost answer")
    problem(answer, 503, "in_doubt")
    assert "order_id" not in answer.json()
    assert "Idempotency-Key" in answer.json()["detail"]


REFUSALS: list[tuple[HubError, int]] = [
    (NotFound("None.", code="order_not_found"), 404),
    (Conflict("It changed.", code="order_changed"), 409),
    (Conflict("It is there.", code="order_at_venue"), 409),
    (Refused("It ended.", code="order_final"), 422),
    (Refused("No.", code="insufficient_funds", field="quantity"), 422),
    (Exhausted("Slowly.", code="order_rate", retry_after_s=7), 429),
    (Unavailable("On its way.", code="order_in_flight"), 503),
]


@pytest.mark.parametrize(("error", "status"), REFUSALS, ids=lambda each: getattr(each, "code", ""))
async def test_the_word_of_the_order_service_is_final(
    gateway: Gateway, peers: Peers, error: HubError, status: int
) -> None:
    peers.answers["ReplaceOrder"] = error
    answer = await send(gateway, REPLACE)
    problem(answer, status, error.code, error.field or None)
    assert len(peers.asked["ReplaceOrder"]) == 1


async def test_a_symbol_in_the_path_that_nobody_knows_is_not_there(gateway: Gateway, peers: Peers) -> None:
    """As on every path with a symbol, whether a symbol may look like that or not."""
    peers.answers["ClosePosition"] = Refused("There is no ZZZZ.", code="unknown_symbol", field="symbol")
    for symbol in ("ZZZZ", "aapl"):
        answer = await send(gateway, ("POST", f"/api/v1/positions/{symbol}/close"))
        problem(answer, 404, "unknown_symbol", "symbol")
    document = (await gateway.http.get("/openapi.json")).json()
    told = document["paths"]["/api/v1/positions/{symbol}/close"]["post"]["responses"]
    assert [status for status in told if "unknown_symbol" in str(told[status])] == ["404"]


async def test_a_repeated_answer_says_so(gateway: Gateway, peers: Peers) -> None:
    first = order_pb2.Accepted(order=ORDER, repeated_answer=True)
    peers.answers["ReplaceOrder"] = order_pb2.ReplaceOrderResponse(accepted=first)
    peers.answers["ClosePosition"] = order_pb2.ClosePositionResponse(accepted=first)
    for route in (REPLACE, CLOSE):
        answer = await send(gateway, route, key="once")
        assert answer.headers["idempotency-replayed"] == "true"
        assert answer.headers["location"] == f"/api/v1/orders/{ORDER.order_id}"


async def test_the_body_hash_is_of_the_meaning(gateway: Gateway, peers: Peers) -> None:
    same: list[Callable[[], Any]] = [
        lambda: send(gateway, REPLACE, {"quantity": "5"}),
        lambda: send(gateway, REPLACE, {"quantity": 5.0, "limit_price": None}),
    ]
    other = [
        {"limit_price": "5"},
        {"stop_price": "5"},
        {"trail_amount": "5"},
        {"trail_percent": "5"},
        {"time_in_force": "GTC"},
        {"client_order_id": "5"},
    ]
    for ask in same:
        await ask()
    for body in other:
        await send(gateway, REPLACE, body)
    await send(gateway, ("PATCH", f"/api/v1/orders/{an_order().order_id}"), {"quantity": "5"})
    for body in ({}, {"quantity": "5"}, {"percentage": "5"}):
        await send(gateway, CLOSE, body)
    asked = [*peers.asked["ReplaceOrder"], *peers.asked["ClosePosition"]]
    hashes = [each.body_hash for each in asked]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == len(hashes) - 1
    assert {len(each) for each in hashes} == {32}


async def test_what_was_never_sent_is_not_in_doubt(tls: Tls, redis_server: Login) -> None:
    async with running_gateway(tls, redis_server.dsn, submit_timeout_s=0.5) as gateway:
        codes = [(await send(gateway, CLOSE)).json()["code"] for _ in range(8)]
    assert codes[-1] == "peer_unavailable"  # the breaker is open: nothing leaves the process
