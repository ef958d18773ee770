"""What an order can be refused for, through the public interface of the whole platform."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from hub_local.stack import Stack
from tests.system.user import NewUser, User, until

MARKET = {"side": "BUY", "type": "MARKET", "quantity": "1"}


async def refused(user: User, **order: str) -> tuple[int, str, str]:
    answer = await user.http.post("/api/v1/orders", json=order)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert problem["detail"], problem
    return answer.status_code, problem["code"], problem.get("field", "")


async def test_an_order_for_more_cash_than_there_is_is_refused_with_the_numbers(
    stack: Stack, new_user: NewUser
) -> None:
    user = await new_user()
    ask = Decimal((await user.get("/api/v1/market-data/AAPL"))["ask"])
    quantity = str(int(Decimal(100000) / ask) + 1)
    answer = await user.http.post("/api/v1/orders", json={**MARKET, "symbol": "AAPL", "quantity": quantity})
    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_funds")
    assert "100000" in answer.json()["detail"].replace(",", "")
    assert (await user.get("/api/v1/balance"))["held"] == "0"


async def test_shares_that_are_not_owned_cannot_be_sold(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    status, code, _ = await refused(user, symbol="AAPL", side="SELL", type="MARKET", quantity="1")
    assert (status, code) == (422, "insufficient_shares")


async def test_an_unknown_symbol_is_refused_and_names_the_field(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    status, _, field = await refused(user, symbol="NOPE", **MARKET)
    assert status in {404, 422}
    assert field == "symbol"


async def test_another_users_order_does_not_exist(stack: Stack, new_user: NewUser) -> None:
    owner, other = await asyncio.gather(new_user(), new_user())
    order = await owner.buy("AAPL", "1")
    for method, path in [("GET", ""), ("GET", "/status"), ("PUT", "/cancel")]:
        answer = await other.http.request(method, f"/api/v1/orders/{order['order_id']}{path}")
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_repeated_key_gives_the_first_answer_and_another_body_is_a_conflict(
    stack: Stack, new_user: NewUser
) -> None:
    user = await new_user()
    order, key = {**MARKET, "symbol": "MSFT"}, {"Idempotency-Key": "one"}
    answers = await asyncio.gather(
        *(user.http.post("/api/v1/orders", json=order, headers=key) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["order_id"] for answer in answers}) == 1
    other = await user.http.post("/api/v1/orders", json={**order, "quantity": "2"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    await user.position("MSFT", "1")


async def test_two_identical_orders_without_a_key_are_two_orders(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    first, second = await user.buy("IBM", "1"), await user.buy("IBM", "1")
    assert first["order_id"] != second["order_id"]
    await user.position("IBM", "2")


async def test_a_cancelled_resting_order_gives_its_cash_back(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    ask = Decimal((await user.get("/api/v1/market-data/AAPL"))["ask"])
    limit = (ask / 2).quantize(Decimal("0.01"))
    order = await user.buy("AAPL", "1", type="LIMIT", limit_price=str(limit))
    assert Decimal((await user.get("/api/v1/balance"))["held"]) == limit
    cancelled = await user.http.put(f"/api/v1/orders/{order['order_id']}/cancel")
    assert cancelled.status_code == 200, cancelled.text
    assert (await user.final(order["order_id"]))["status"] == "CANCELLED"
    await until(lambda: user.get("/api/v1/balance"), lambda balance: balance["held"] == "0")
    again = await user.http.put(f"/api/v1/orders/{order['order_id']}/cancel")
    assert again.status_code in {409, 422}


async def test_who_may_only_reduce_sees_it_and_may_make_an_open_purchase_cheaper(
    stack: Stack, new_user: NewUser, admin: User
) -> None:
    user = await new_user()
    half = (Decimal((await user.get("/api/v1/market-data/AAPL"))["ask"]) / 2).quantize(Decimal("0.01"))
    order = await user.buy("AAPL", "10", type="LIMIT", limit_price=str(half), time_in_force="GTC")
    path = f"/api/v1/orders/{order['order_id']}"
    await until(lambda: user.get(path), lambda found: found["order"]["status"] == "PROCESSING")
    state = {"trading_state": "REDUCING", "reason": "a test"}
    answer = await admin.http.put(f"/api/v1/admin/accounts/{user.account_id}/state", json=state)
    assert answer.status_code == 200, answer.text
    balance = await user.get("/api/v1/balance")
    assert (balance["status"], balance["trading_state"]) == ("ACTIVE", "REDUCING")
    for more in ({"quantity": "11"}, {"limit_price": str(half + Decimal("0.01"))}):
        answer = await user.http.patch(path, json=more)
        assert (answer.status_code, answer.json()["code"]) == (422, "account_reducing")
    assert await refused(user, symbol="AAPL", **MARKET) == (422, "account_reducing", "")
    less = await user.http.patch(path, json={"quantity": "9", "limit_price": str(half - Decimal("0.01"))})
    assert less.status_code == 202, less.text
    held = 9 * (half - Decimal("0.01"))
    await until(lambda: user.get("/api/v1/balance"), lambda found: Decimal(found["held"]) == held)


async def test_a_token_is_refused_within_a_second_of_logging_out(stack: Stack, new_user: NewUser) -> None:
    user = await new_user()
    assert (await user.http.post("/api/v1/auth/logout")).status_code == 204
    await until(
        lambda: user.http.get("/api/v1/balance"), lambda answer: answer.status_code == 401, timeout_s=2
    )


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/orders/not-an-id", "/api/v1/market-data/NOPE"])
async def test_what_does_not_exist_is_a_problem_with_404(stack: Stack, new_user: NewUser, path: str) -> None:
    user = await new_user()
    answer = await user.http.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"]
