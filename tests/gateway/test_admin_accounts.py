"""What an account may do is set by administrators, and by nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from hub.order.v1 import order_pb2
from hub.position.v1 import position_pb2
from hub_errors import NotFound
from hub_runtime import uuid7
from tests.gateway.canned import Peers, canned
from tests.gateway.examples import an_order
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

ORDER = an_order()
ACCOUNT = "01a20e32-4061-7f11-9c02-7b1d4e8a6f35"
STATE = f"/api/v1/admin/accounts/{ACCOUNT}/state"
LIMITS = f"/api/v1/admin/accounts/{ACCOUNT}/limits"
ORDERS = f"/api/v1/admin/accounts/{ACCOUNT}/orders"
AMOUNTS = ("cash", "settled", "unsettled", "held", "buying_power", "withdrawable")
HALT = {"trading_state": "HALTED", "reason": "odd log-ins"}
SMALLER = {"most_value": 50000.0, "most_position": "5000", "orders_per_minute": 60, "reason": "new"}
ROUTES: list[tuple[str, str, Any]] = [
    ("GET", STATE, None),
    ("PUT", STATE, HALT),
    ("GET", LIMITS, None),
    ("PUT", LIMITS, SMALLER),
    ("DELETE", ORDERS, None),
]


def balance(trading_state: str) -> position_pb2.GetBalanceResponse:
    amounts = dict.fromkeys(AMOUNTS, "1")
    return position_pb2.GetBalanceResponse(
        account_id=ACCOUNT, status="RESTRICTED", trading_state=trading_state, **amounts
    )


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        account = position_pb2.AccountState(
            account_id=ACCOUNT, user_id=str(uuid7()), status="ACTIVE", trading_state="HALTED", reason="odd"
        )
        own = order_pb2.AccountLimits(most_value="50000", orders_per_minute=60)
        made.answers = {
            "GetAccount": position_pb2.GetAccountResponse(account=account),
            "GetBalance": balance("HALTED"),
            "SetAccountState": position_pb2.SetAccountStateResponse(account=account),
            "GetAccountLimits": order_pb2.GetAccountLimitsResponse(own=own),
            "SetAccountLimits": order_pb2.SetAccountLimitsResponse(own=own),
            "CancelAccountOrders": order_pb2.CancelAccountOrdersResponse(orders=[ORDER], more=True),
        }
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        yield gateway


async def send(gateway: Gateway, method: str, path: str, body: Any = None, *roles: str) -> httpx.Response:
    headers = gateway.bearer(roles=roles or ("user", "admin"))
    return await gateway.http.request(method, path, json=body, headers=headers)


async def test_whoever_owns_the_account_sees_what_it_may_do(gateway: Gateway, peers: Peers) -> None:
    told = (await send(gateway, "GET", "/api/v1/balance", None, "user")).json()
    assert (told["status"], told["trading_state"]) == ("RESTRICTED", "HALTED")
    peers.answers["GetBalance"] = balance("")
    told = (await send(gateway, "GET", "/api/v1/balance", None, "user")).json()
    assert told["trading_state"] is None, "a position service of the release before does not say it"


async def test_the_state_of_an_account_is_read_and_set(gateway: Gateway, peers: Peers) -> None:
    for method, body in (("GET", None), ("PUT", HALT)):
        answer = await send(gateway, method, STATE, body)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["account_id"], told["status"], told["trading_state"]) == (ACCOUNT, "ACTIVE", "HALTED")
        assert (told["reason"], told["actor"], told["changed_at"]) == ("odd", None, None)
    [asked] = peers.asked["SetAccountState"]
    assert (asked.account_id, asked.status, asked.trading_state) == (ACCOUNT, "", "HALTED")
    assert asked.reason == "odd log-ins"
    assert "" not in peers.tokens


async def test_limits_of_an_account_are_read_set_and_taken_away(gateway: Gateway, peers: Peers) -> None:
    for method, body in (("GET", None), ("PUT", SMALLER), ("PUT", {"reason": "known by now"})):
        answer = await send(gateway, method, LIMITS, body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {
            "account_id": ACCOUNT,
            "most_value": "50000",
            "most_quantity": None,
            "most_position": None,
            "orders_per_minute": 60,
        }
    smaller, none = (each.limits for each in peers.asked["SetAccountLimits"])
    assert smaller == order_pb2.AccountLimits(most_value="50000", most_position="5000", orders_per_minute=60)
    assert none == order_pb2.AccountLimits()


async def test_open_orders_of_an_account_are_cancelled(gateway: Gateway, peers: Peers) -> None:
    answer = await send(gateway, "DELETE", ORDERS)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert ([order["order_id"] for order in told["orders"]], told["more"]) == ([ORDER.order_id], True)
    [asked] = peers.asked["CancelAccountOrders"]
    assert asked.account_id == ACCOUNT


async def test_nobody_else_may(gateway: Gateway, peers: Peers) -> None:
    for method, path, body in ROUTES:
        problem(await send(gateway, method, path, body, "user", "support"), 403, "role_required")
    assert not peers.asked


@pytest.mark.parametrize(
    ("path", "body", "code", "field"),
    [
        (STATE, {"reason": "x"}, "nothing_to_change", "status"),
        (STATE, {"status": "CLOSED"}, "missing_field", "reason"),
        (STATE, {"status": "GONE", "reason": "x"}, "invalid_value", "status"),
        (STATE, {**HALT, "reason": ""}, "invalid_length", "reason"),
        (STATE, {**HALT, "reason": "  "}, "invalid_reason", "reason"),
        (LIMITS, {**SMALLER, "reason": "x" * 201}, "invalid_length", "reason"),
        (STATE, {**HALT, "reason": "a\nb"}, "invalid_characters", "reason"),
        (LIMITS, {"most_value": "1"}, "missing_field", "reason"),
        (LIMITS, {**SMALLER, "most_value": "-1"}, "not_positive", "most_value"),
        (LIMITS, {**SMALLER, "orders_per_minute": 0}, "invalid_value", "orders_per_minute"),
        (LIMITS, {**SMALLER, "orders_per_minute": "6"}, "wrong_type", "orders_per_minute"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anybody_is_asked(
    lonely: Gateway, path: str, body: Any, code: str, field: str
) -> None:
    problem(await send(lonely, "PUT", path, body), 400, code, field)


async def test_an_account_that_is_not_there(gateway: Gateway, peers: Peers) -> None:
    peers.answers["GetAccount"] = NotFound("None.", code="account_not_found")
    problem(await send(gateway, "GET", STATE), 404, "account_not_found")
    problem(await send(gateway, "GET", "/api/v1/admin/accounts/1/limits"), 404, "account_not_found")
