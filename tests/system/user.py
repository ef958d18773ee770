"""A user of the gateway, as the system tests drive one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import httpx

from hub_local.layout import ADMIN_EMAIL
from hub_local.stack import Stack

A = TypeVar("A")
NewUser = Callable[[], Awaitable["User"]]
FINAL = {"EXECUTED", "CANCELLED", "EXPIRED", "REPLACED", "FAILED"}


@dataclass
class User:
    http: httpx.AsyncClient
    account_id: str

    async def buy(self, symbol: str, quantity: str, **fields: str | bool) -> dict[str, Any]:
        return await self.submit(symbol=symbol, side="BUY", quantity=quantity, **fields)

    async def sell(self, symbol: str, quantity: str, **fields: str | bool) -> dict[str, Any]:
        return await self.submit(symbol=symbol, side="SELL", quantity=quantity, **fields)

    async def submit(self, **order: str | bool) -> dict[str, Any]:
        body = {"type": "MARKET", **order}
        answer = await self.http.post("/api/v1/orders", json=body)
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    async def cancel_all(self) -> None:
        """As far as the user may still ask for it."""
        answer = await self.http.delete("/api/v1/orders")
        while answer.is_success and answer.json()["more"]:
            answer = await self.http.delete("/api/v1/orders")

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def final(self, order_id: str, timeout_s: float = 60) -> dict[str, Any]:
        path = f"/api/v1/orders/{order_id}"
        answer = await until(
            lambda: self.get(path), lambda found: found["order"]["status"] in FINAL, timeout_s=timeout_s
        )
        order: dict[str, Any] = answer["order"]
        return order

    async def position(self, symbol: str, quantity: str, timeout_s: float = 30) -> dict[str, Any]:
        """The position once it has this quantity: booking follows the execution."""
        wanted = Decimal(quantity)

        async def find() -> dict[str, Any]:
            answer = await self.get("/api/v1/positions?include_closed=true")
            return next((found for found in answer["positions"] if found["symbol"] == symbol), {})

        return await until(
            find, lambda found: bool(found) and Decimal(found["quantity"]) == wanted, timeout_s=timeout_s
        )


async def until(
    ask: Callable[[], Awaitable[A]],
    enough: Callable[[A], bool],
    *,
    timeout_s: float = 30,
    pause_s: float = 0.1,
) -> A:
    """Asks again until the answer is good enough: nothing tells an outsider of the change."""
    async with asyncio.timeout(timeout_s):
        while not enough(answer := await ask()):  # noqa: ASYNC110 - see above
            await asyncio.sleep(pause_s)
        return answer


async def register(gateway: str) -> User:
    """A user of their own for a test, logged in. The caller closes `http`."""
    email = f"user-{secrets.token_hex(6)}@example.com"
    password = secrets.token_urlsafe(16)
    http = httpx.AsyncClient(base_url=gateway, timeout=10, limits=httpx.Limits(max_connections=64))
    account = {"email": email, "password": password, "name": "A Tester"}
    registered = await http.post("/api/v1/auth/register", json=account)
    assert registered.status_code == 201, registered.text
    return await _logged_in(http, email, password)


async def log_in_admin(stack: Stack) -> User:
    """The administrator that every local stack is made with. The caller closes `http`."""
    http = httpx.AsyncClient(base_url=stack.gateway_url, timeout=10)
    return await _logged_in(http, ADMIN_EMAIL, stack.layout.admin_password.read_text().strip())


async def _logged_in(http: httpx.AsyncClient, email: str, password: str) -> User:
    login = await http.post("/api/v1/auth/login", json={"email": email, "password": password})
    assert login.status_code == 200, login.text
    http.headers["authorization"] = f"Bearer {login.json()['access_token']}"
    return User(http=http, account_id=login.json()["user"]["account_id"])
