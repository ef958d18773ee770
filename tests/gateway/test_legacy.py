"""The predecessor's paths: its shapes, with our rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from grpc import StatusCode

from hub.auth.v1 import auth_pb2
from hub.market_data.v1 import market_data_pb2
from hub.order.v1 import order_pb2
from hub.portfolio.v1 import portfolio_pb2
from hub.position.v1 import position_pb2
from hub_runtime import uuid7
from tests.gateway.canned import Peers, canned
from tests.gateway.examples import an_order
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

ORDER_ID = str(uuid7())
ORDER = order_pb2.Order(
    order_id=ORDER_ID,
    account_id=ORDER_ID,
    symbol="AAPL",
    side=order_pb2.SIDE_BUY,
    type=order_pb2.ORDER_TYPE_LIMIT,
    time_in_force=order_pb2.TIME_IN_FORCE_GTC,
    quantity="10",
    limit_price="99.5",
    status=order_pb2.ORDER_STATUS_EXECUTED,
    filled_quantity="10",
    average_price="99.25",
    version=3,
)
POSITIONS = [
    portfolio_pb2.ValuedPosition(
        symbol="AAPL",
        asset_class="STOCK",
        quantity="10",
        total_cost="1000",
        average_price="100",
        price="110",
        market_value="1100",
    ),
    portfolio_pb2.ValuedPosition(
        symbol="GOOG", asset_class="STOCK", quantity="1", total_cost="500", average_price="500", stale=True
    ),
]


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        made.answers = {
            "Login": auth_pb2.LoginResponse(tokens=auth_pb2.Tokens(access_token="t.o.k", expires_in=600)),
            "GetBalance": position_pb2.GetBalanceResponse(buying_power="98000.50"),
            "GetSummary": portfolio_pb2.GetSummaryResponse(
                cash="98500.5", buying_power="98000.5", positions=POSITIONS
            ),
            "GetOrder": order_pb2.GetOrderResponse(order=ORDER),
            "CancelOrder": order_pb2.CancelOrderResponse(order=ORDER),
            "ListOrders": order_pb2.ListOrdersResponse(orders=[ORDER], total=7),
            "ListInstruments": market_data_pb2.ListInstrumentsResponse(
                instruments=[
                    market_data_pb2.Instrument(
                        symbol="AAPL", name="Apple Inc.", asset_class=market_data_pb2.ASSET_CLASS_STOCK
                    )
                ]
            ),
        }
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        gateway.http.headers.update(gateway.bearer())
        yield gateway


async def get(gateway: Gateway, path: str) -> Any:
    answer = await gateway.http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def submit(gateway: Gateway, *, key: str | None = None, **change: Any) -> httpx.Response:
    body = {"symbol": "aapl", "order_type": "LIMIT", "order_side": "BUY", "quantity": 10, "price": 99.5}
    headers = {"idempotency-key": key} if key else {}
    return await gateway.http.post("/orders", json={**body, **change}, headers=headers)


def accepted(request: order_pb2.SubmitOrdersRequest) -> order_pb2.SubmitOrdersResponse:
    item = request.items[0]
    order = order_pb2.Order()
    order.CopyFrom(ORDER)
    order.order_id, order.status = item.order_id, order_pb2.ORDER_STATUS_PENDING
    result = order_pb2.SubmissionResult(order_id=item.order_id, accepted=order_pb2.Accepted(order=order))
    return order_pb2.SubmitOrdersResponse(results=[result])


async def test_login_answers_a_token_alone(gateway: Gateway) -> None:
    answer = await gateway.http.post("/login", json={"email": "a@example.com", "password": "a password"})
    assert (answer.status_code, answer.json()) == (200, {"token": "t.o.k"})


async def test_the_balance_is_a_number(gateway: Gateway) -> None:
    assert await get(gateway, "/getBalance") == {"availableBalance": 98000.5}


async def test_holdings_are_added_up_by_category_and_one_without_a_price_counts_at_its_cost(
    gateway: Gateway,
) -> None:
    told = await get(gateway, "/getAucAggregation")
    assert (told["totalInvested"], told["currentTotal"]) == (1500, 1600)
    [stocks] = told["positionAggregation"]
    assert (stocks["category"], stocks["pnl"]) == (1, 100)
    assert stocks["pnlPercentage"] == pytest.approx(6.66666667)
    assert [asset["currentPrice"] for asset in stocks["assets"]] == [110, None]


async def test_the_summary_has_cash_and_holdings(gateway: Gateway) -> None:
    told = await get(gateway, "/getPortfolioSummary")
    assert told["Balance"] == {"availableBalance": 98000.5}
    assert told["TotalPortfolio"] == 100100.5
    assert told["PositionAggregation"] == await get(gateway, "/getAucAggregation")


async def test_an_order_is_accepted_with_202_and_rests_until_it_is_cancelled(
    gateway: Gateway, peers: Peers
) -> None:
    peers.answers["SubmitOrders"] = accepted
    told = await submit(gateway)
    assert told.status_code == 202
    assert (told.json()["status"], told.json()["estimated_price"]) == ("PENDING", 99.5)
    [item] = peers.asked["SubmitOrders"][0].items
    assert (item.symbol, item.quantity, item.limit_price) == ("AAPL", "10", "99.5")
    assert item.time_in_force == order_pb2.TIME_IN_FORCE_GTC


@pytest.mark.parametrize(
    ("order_type", "number", "limit_price"),
    [
        ("STOP_LOSS", order_pb2.ORDER_TYPE_STOP_LOSS, ""),
        ("STOP_LIMIT", order_pb2.ORDER_TYPE_STOP_LIMIT, "99.5"),
    ],
)
async def test_the_one_price_of_a_stop_order_is_its_stop_and_where_it_has_one_its_limit(
    gateway: Gateway, peers: Peers, order_type: str, number: int, limit_price: str
) -> None:
    peers.answers["SubmitOrders"] = accepted
    assert (await submit(gateway, order_type=order_type)).status_code == 202
    [item] = peers.asked["SubmitOrders"][0].items
    assert (item.type, item.stop_price, item.limit_price) == (number, "99.5", limit_price)


async def test_an_order_with_a_stop_shows_it_as_its_price(gateway: Gateway, peers: Peers) -> None:
    order = an_order(ORDER_ID, type=order_pb2.ORDER_TYPE_STOP_LOSS, stop_price="90")
    order.limit_price = ""
    peers.answers["GetOrder"] = order_pb2.GetOrderResponse(order=order)
    told = await get(gateway, f"/orders/{ORDER_ID}")
    assert (told["order_type"], told["price"], told["estimated_value"]) == ("STOP_LOSS", 90, 900)


async def test_an_order_whose_end_was_asked_for_says_so(gateway: Gateway, peers: Peers) -> None:
    order = an_order(ORDER_ID, cancel_requested=True)
    peers.answers["CancelOrder"] = order_pb2.CancelOrderResponse(order=order)
    peers.answers["GetOrder"] = order_pb2.GetOrderResponse(order=order)
    answer = await gateway.http.put(f"/orders/{ORDER_ID}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "PROCESSING")
    assert "asked" in answer.json()["message"]
    assert not (await get(gateway, f"/orders/{ORDER_ID}/status"))["can_cancel"]


async def test_a_repeated_order_says_so_and_where_it_is(gateway: Gateway, peers: Peers) -> None:
    def repeated(request: order_pb2.SubmitOrdersRequest) -> order_pb2.SubmitOrdersResponse:
        accepted = order_pb2.Accepted(order=ORDER, repeated_answer=True)
        item = request.items[0].order_id
        return order_pb2.SubmitOrdersResponse(
            results=[order_pb2.SubmissionResult(order_id=item, accepted=accepted)]
        )

    peers.answers["SubmitOrders"] = repeated
    told = await submit(gateway, key="first")
    assert told.headers["idempotency-replayed"] == "true"
    assert told.headers["location"] == f"/orders/{ORDER_ID}"
    assert peers.asked["SubmitOrders"][0].items[0].idempotency_key == "first"


async def test_a_refusal_names_the_member_that_was_sent(gateway: Gateway, peers: Peers) -> None:
    def refused(request: order_pb2.SubmitOrdersRequest) -> order_pb2.SubmitOrdersResponse:
        refusal = order_pb2.Refused(
            status=StatusCode.FAILED_PRECONDITION.value[0],
            code="price_out_of_band",
            message="Too far.",
            field="limit_price",
        )
        item = request.items[0].order_id
        return order_pb2.SubmitOrdersResponse(
            results=[order_pb2.SubmissionResult(order_id=item, refused=refusal)]
        )

    peers.answers["SubmitOrders"] = refused
    problem(await submit(gateway), 422, "price_out_of_band", "price")


@pytest.mark.parametrize("symbol", ["\u017fPY", "stra\u00dfe", "A B", "", "A/B"])
async def test_a_symbol_of_odd_letters_never_becomes_another_one(
    gateway: Gateway, peers: Peers, symbol: str
) -> None:
    problem(await submit(gateway, symbol=symbol), 400, "invalid_symbol", "symbol")
    assert "SubmitOrders" not in peers.asked


async def test_bad_orders_are_4xx(gateway: Gateway, peers: Peers) -> None:
    problem(await submit(gateway, order_type="STOP_LOSS", price=None), 400, "stop_required", "price")
    problem(await submit(gateway, order_type="STOP_LIMIT", price=None), 400, "price_required", "price")
    problem(await submit(gateway, order_type="TRAILING_STOP"), 400, "invalid_value", "order_type")
    problem(await submit(gateway, order_type="FUNNY"), 400, "invalid_value", "order_type")
    problem(await submit(gateway, quantity=-1), 400, "not_positive", "quantity")
    problem(await submit(gateway, order_type="MARKET"), 400, "price_not_allowed", "price")
    assert "SubmitOrders" not in peers.asked


async def test_an_order_its_status_and_its_cancellation(gateway: Gateway) -> None:
    order = await get(gateway, f"/orders/{ORDER_ID}")
    assert (order["order_side"], order["quantity"], order["price"]) == ("BUY", 10, 99.5)
    assert (order["execution_price"], order["execution_value"]) == (99.25, 992.5)
    assert "executed_at" not in order
    status = await get(gateway, f"/orders/{ORDER_ID}/status")
    assert (status["status"], status["can_cancel"]) == ("EXECUTED", False)
    cancelled = await gateway.http.put(f"/orders/{ORDER_ID}/cancel")
    assert cancelled.json()["order_id"] == ORDER_ID
    problem(await gateway.http.get("/orders/not-a-uuid"), 404, "order_not_found")


async def test_the_history_has_pages_and_a_total(gateway: Gateway, peers: Peers) -> None:
    told = await get(gateway, "/orders/history?page=1&limit=1")
    assert (len(told["orders"]), told["total"], told["page"], told["limit"]) == (1, 7, 1, 1)
    assert peers.asked["ListOrders"][0].include_total
    beyond = await get(gateway, "/orders/history?page=2&limit=20")
    assert (beyond["orders"], beyond["total"]) == ([], 7)
    for query, code in (
        ("page=0", "invalid_value"),
        ("limit=101", "invalid_value"),
        ("page=x", "invalid_value"),
        ("page=100&limit=100", "page_too_deep"),
    ):
        answer = await gateway.http.get(f"/orders/history?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
