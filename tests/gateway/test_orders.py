"""Sending orders of every type, finding them again, and ending them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Exhausted, HubError, Refused, Unavailable
from hub_rpc import status_number
from tests.gateway.canned import Peers, canned
from tests.gateway.examples import an_order
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

ORDERS = "/api/v1/orders"
ORDER = an_order()
ONE = f"{ORDERS}/{ORDER.order_id}"
BASE = {"symbol": "AAPL", "side": "SELL", "quantity": "10"}
EXTENDED = {**BASE, "type": "LIMIT", "limit_price": "9", "extended_hours": True}
STOP = {**BASE, "type": "STOP_LOSS", "stop_price": "90"}
TRAIL = {**BASE, "type": "TRAILING_STOP", "trail_percent": "2.5"}


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        made.answers = {
            "SubmitOrders": accepted,
            "ListOrders": order_pb2.ListOrdersResponse(orders=[ORDER], next_page_token="more"),
        }
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        gateway.http.headers.update(gateway.bearer())
        yield gateway


def accepted(request: order_pb2.SubmitOrdersRequest) -> order_pb2.SubmitOrdersResponse:
    results = [
        order_pb2.SubmissionResult(
            order_id=item.order_id, accepted=order_pb2.Accepted(order=an_order(item.order_id))
        )
        for item in request.items
    ]
    return order_pb2.SubmitOrdersResponse(results=results)


async def sent(gateway: Gateway, peers: Peers, body: dict[str, Any]) -> order_pb2.OrderSubmission:
    answer = await gateway.http.post(ORDERS, json=body)
    assert answer.status_code == 202, answer.text
    item: order_pb2.OrderSubmission = peers.asked["SubmitOrders"][-1].items[0]
    return item


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ({**BASE, "type": "MARKET", "time_in_force": "IOC"}, {"quantity": "10"}),
        (
            {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "notional": 250.50},
            {"notional": "250.5"},
        ),
        (
            {**BASE, "type": "LIMIT", "limit_price": "99.5", "extended_hours": True},
            {"quantity": "10", "limit_price": "99.5", "extended_hours": True},
        ),
        (STOP, {"quantity": "10", "stop_price": "90"}),
        (
            {**STOP, "type": "STOP_LIMIT", "limit_price": "89", "time_in_force": "FOK"},
            {"quantity": "10", "stop_price": "90", "limit_price": "89"},
        ),
        (TRAIL, {"quantity": "10", "trail_percent": "2.5"}),
        ({**BASE, "type": "TRAILING_STOP", "trail_amount": 5}, {"quantity": "10", "trail_amount": "5"}),
    ],
    ids=lambda each: each.get("type") if isinstance(each, dict) else "",
)
async def test_an_order_of_each_type_reaches_the_order_service(
    gateway: Gateway, peers: Peers, body: dict[str, Any], given: dict[str, Any]
) -> None:
    item = await sent(gateway, peers, body)
    assert item.type == order_pb2.OrderType.Value(f"ORDER_TYPE_{body['type']}")
    force = body.get("time_in_force", "DAY")
    assert item.time_in_force == order_pb2.TimeInForce.Value(f"TIME_IN_FORCE_{force}")
    terms = (
        *("quantity", "notional", "limit_price", "stop_price"),
        *("trail_amount", "trail_percent", "extended_hours"),
    )
    assert {name: value for name in terms if (value := getattr(item, name))} == given


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({**BASE, "type": "MARKET", "notional": "5"}, "notional_not_allowed", "notional"),
        ({**BASE, "quantity": None, "type": "MARKET"}, "quantity_required", "quantity"),
        (
            {**BASE, "quantity": None, "notional": "5", "type": "LIMIT", "limit_price": "9"},
            "notional_not_allowed",
            "notional",
        ),
        ({**BASE, "type": "MARKET", "stop_price": "9"}, "stop_not_allowed", "stop_price"),
        ({**BASE, "type": "MARKET", "trail_amount": "9"}, "trail_not_allowed", "trail_amount"),
        ({**BASE, "type": "MARKET", "extended_hours": True}, "extended_hours_not_allowed", "extended_hours"),
        ({**BASE, "type": "LIMIT"}, "price_required", "limit_price"),
        ({**BASE, "type": "STOP_LOSS"}, "stop_required", "stop_price"),
        ({**STOP, "stop_price": "0"}, "not_positive", "stop_price"),
        ({**STOP, "limit_price": "9"}, "price_not_allowed", "limit_price"),
        ({**STOP, "type": "STOP_LIMIT"}, "price_required", "limit_price"),
        ({**BASE, "type": "STOP_LIMIT", "limit_price": "9"}, "stop_required", "stop_price"),
        ({**STOP, "trail_percent": "9"}, "trail_not_allowed", "trail_percent"),
        ({**STOP, "extended_hours": True}, "extended_hours_not_allowed", "extended_hours"),
        ({**EXTENDED, "time_in_force": "IOC"}, "extended_hours_not_allowed", "extended_hours"),
        ({**EXTENDED, "time_in_force": "FOK"}, "extended_hours_not_allowed", "extended_hours"),
        ({**BASE, "type": "TRAILING_STOP"}, "trail_required", "trail_amount"),
        ({**TRAIL, "trail_amount": "1"}, "trail_not_allowed", "trail_percent"),
        ({**TRAIL, "trail_percent": "100"}, "trail_too_large", "trail_percent"),
        ({**TRAIL, "trail_percent": "-1"}, "not_positive", "trail_percent"),
        ({**TRAIL, "stop_price": "9"}, "stop_not_allowed", "stop_price"),
        ({**TRAIL, "limit_price": "9"}, "price_not_allowed", "limit_price"),
    ],
)
async def test_what_does_not_go_with_the_type_is_refused_before_anybody_is_asked(
    lonely: Gateway, body: dict[str, Any], code: str, field: str
) -> None:
    answer = await lonely.http.post(ORDERS, json=body, headers=lonely.bearer())
    problem(answer, 400, code, field)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"type": "MARKET"}, "A MARKET order needs a quantity or a notional."),
        ({"type": "LIMIT", "limit_price": "9"}, "A LIMIT order needs a quantity."),
    ],
)
async def test_an_order_without_a_size_is_told_what_may_be_its_size(
    lonely: Gateway, body: dict[str, Any], sentence: str
) -> None:
    answer = await lonely.http.post(ORDERS, json={**BASE, "quantity": None, **body}, headers=lonely.bearer())
    assert problem(answer, 400, "quantity_required", "quantity")["detail"] == sentence


async def test_the_body_hash_covers_every_term(gateway: Gateway, peers: Peers) -> None:
    bodies: list[dict[str, Any]] = [
        {**BASE, "type": "LIMIT", "limit_price": "9"},
        {**BASE, "type": "LIMIT", "limit_price": "9", "extended_hours": True},
        STOP,
        {**STOP, "stop_price": "91"},
        TRAIL,
        {**TRAIL, "trail_percent": "3"},
        {**BASE, "type": "TRAILING_STOP", "trail_amount": "2.5"},
        {**BASE, "type": "MARKET"},
        {"symbol": "AAPL", "side": "SELL", "type": "MARKET", "notional": "10"},
    ]
    hashes = [(await sent(gateway, peers, body)).body_hash for body in bodies]
    assert len(set(hashes)) == len(bodies)
    again = await sent(gateway, peers, {**STOP, "stop_price": 90.00, "extended_hours": False})
    assert again.body_hash == hashes[2]


async def test_an_order_without_newer_terms_keeps_the_hash_it_had_before_there_were_any(
    gateway: Gateway, peers: Peers
) -> None:
    item = await sent(gateway, peers, {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "quantity": "10"})
    assert item.body_hash.hex() == "7f57cfac76367b2b2f145f5ac81215186e489727b4c4f67ecebaa58e06e6486b"


async def test_an_account_that_sends_too_many_orders_is_told_when_to_come_back(
    gateway: Gateway, peers: Peers
) -> None:
    def refused(request: order_pb2.SubmitOrdersRequest) -> order_pb2.SubmitOrdersResponse:
        item = request.items[0].order_id
        number = status_number(Exhausted("", code=""))
        refusal = order_pb2.Refused(status=number, code="order_rate", message="Slowly.", retry_after_s=12.2)
        return order_pb2.SubmitOrdersResponse(
            results=[order_pb2.SubmissionResult(order_id=item, refused=refusal)]
        )

    peers.answers["SubmitOrders"] = refused
    answer = await gateway.http.post(ORDERS, json=STOP)
    problem(answer, 429, "order_rate")
    assert answer.headers["retry-after"] == "13"


async def test_orders_are_found_by_what_is_asked_for(gateway: Gateway, peers: Peers) -> None:
    query = "status=EXECUTED&status=FAILED,CANCELLED&side=SELL&symbol=AAPL&page_size=7&page_token=abc"
    query += "&from=2026-11-24T14:30:00.5Z&before=2026-11-25"
    answer = await gateway.http.get(f"{ORDERS}?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_page_token"] == "more"
    [asked] = peers.asked["ListOrders"]
    assert [order_pb2.OrderStatus.Name(each).removeprefix("ORDER_STATUS_") for each in asked.statuses] == [
        "EXECUTED",
        "FAILED",
        "CANCELLED",
    ]
    assert (asked.side, asked.symbol) == (order_pb2.SIDE_SELL, "AAPL")
    assert (asked.page_size, asked.page_token, asked.open_only) == (7, "abc", False)
    assert asked.accepted_from.ToJsonString() == "2026-11-24T14:30:00.500Z"
    assert asked.accepted_before.ToJsonString() == "2026-11-25T00:00:00Z"


async def test_without_filters_all_orders_are_asked_for(gateway: Gateway, peers: Peers) -> None:
    assert (await gateway.http.get(ORDERS)).status_code == 200
    assert peers.asked["ListOrders"] == [order_pb2.ListOrdersRequest(page_size=50)]


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("status=DONE", "invalid_value", "status"),
        ("status=", "invalid_value", "status"),
        ("status=FAILED,,EXECUTED", "invalid_value", "status"),
        ("&".join(["status=FAILED"] * 9), "invalid_length", "status"),
        ("side=buy", "invalid_value", "side"),
        ("side=BUY&side=SELL", "repeated_parameter", "side"),
        ("symbol=aapl", "invalid_symbol", "symbol"),
        ("from=yesterday", "invalid_value", "from"),
        ("from=2026-11-25&before=2026-11-24", "inverted_range", "before"),
    ],
)
async def test_a_filter_that_makes_no_sense(lonely: Gateway, query: str, code: str, field: str) -> None:
    answer = await lonely.http.get(f"{ORDERS}?{query}", headers=lonely.bearer())
    problem(answer, 400, code, field)


async def test_the_events_of_an_order_are_its_audit_chain(gateway: Gateway, peers: Peers) -> None:
    event = order_pb2.OrderEvent(
        version=1,
        kind="accepted",
        status=order_pb2.ORDER_STATUS_PENDING,
        actor="user:u",
        detail={"quantity": "10"},
        quote={"bid": "99.5"},
        hash=b"\x01\xff",
    )
    event.occurred_at.FromSeconds(1_800_000_000)
    peers.answers["ListOrderEvents"] = order_pb2.ListOrderEventsResponse(events=[event])
    answer = await gateway.http.get(f"{ONE}/events")
    assert answer.json() == {
        "order_id": ORDER.order_id,
        "events": [
            {
                "version": 1,
                "kind": "accepted",
                "status": "PENDING",
                "reason": None,
                "actor": "user:u",
                "occurred_at": "2027-01-15T08:00:00.000000Z",
                "detail": {"quantity": "10"},
                "quote": {"bid": "99.5"},
                "hash": "01ff",
            }
        ],
    }


async def test_an_order_of_ours_is_cancelled_at_once_and_one_at_a_venue_is_asked_back(
    gateway: Gateway, peers: Peers
) -> None:
    ended = an_order(ORDER.order_id, status=order_pb2.ORDER_STATUS_CANCELLED)
    peers.answers["CancelOrder"] = order_pb2.CancelOrderResponse(order=ended)
    answer = await gateway.http.put(f"{ONE}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    asked = an_order(ORDER.order_id, cancel_requested=True)
    peers.answers["CancelOrder"] = order_pb2.CancelOrderResponse(order=asked)
    answer = await gateway.http.put(f"{ONE}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "PROCESSING")
    assert answer.json()["cancel_requested"]


def in_rounds(*rounds: order_pb2.CancelOrdersResponse | HubError) -> Any:
    """An answer after the other; the last one stays."""
    left = list(rounds)

    def answer(_: order_pb2.CancelOrdersRequest) -> order_pb2.CancelOrdersResponse:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, HubError):
            raise found
        return found

    return answer


async def test_all_open_orders_are_cancelled_however_many_calls_it_takes(
    gateway: Gateway, peers: Peers
) -> None:
    orders = [an_order() for _ in range(3)]
    peers.answers["CancelOrders"] = in_rounds(
        order_pb2.CancelOrdersResponse(orders=orders[:2], more=True),
        order_pb2.CancelOrdersResponse(orders=orders[2:]),
    )
    answer = await gateway.http.delete(f"{ORDERS}?symbol=AAPL")
    assert answer.status_code == 200, answer.text
    assert [each["order_id"] for each in answer.json()["orders"]] == [each.order_id for each in orders]
    assert answer.json()["more"] is False
    assert [each.symbol for each in peers.asked["CancelOrders"]] == ["AAPL", "AAPL"]


async def test_cancelling_all_ends_when_nothing_new_is_cancelled(gateway: Gateway, peers: Peers) -> None:
    at_venue = an_order(cancel_requested=True)
    peers.answers["CancelOrders"] = order_pb2.CancelOrdersResponse(orders=[at_venue], more=True)
    answer = await gateway.http.delete(ORDERS)
    assert (len(answer.json()["orders"]), answer.json()["more"]) == (1, True)
    assert len(peers.asked["CancelOrders"]) == 2


async def test_cancelling_all_is_bounded(gateway: Gateway, peers: Peers) -> None:
    peers.answers["CancelOrders"] = lambda _: order_pb2.CancelOrdersResponse(
        orders=[an_order() for _ in range(2)], more=True
    )
    answer = await gateway.http.delete(ORDERS)
    assert (len(answer.json()["orders"]), answer.json()["more"]) == (40, True)


async def test_what_is_cancelled_already_is_told_when_the_rest_fails(gateway: Gateway, peers: Peers) -> None:
    away = Unavailable("Away.", code="database_unavailable")
    peers.answers["CancelOrders"] = in_rounds(order_pb2.CancelOrdersResponse(orders=[ORDER], more=True), away)
    answer = await gateway.http.delete(ORDERS)
    assert (answer.status_code, answer.json()["more"]) == (200, True)
    peers.answers["CancelOrders"] = away
    problem(await gateway.http.delete(ORDERS), 503, "database_unavailable")


async def test_a_final_order_is_not_cancelled(gateway: Gateway, peers: Peers) -> None:
    peers.answers["CancelOrder"] = Refused("It has ended.", code="order_final")
    problem(await gateway.http.put(f"{ONE}/cancel"), 422, "order_final")
