"""The users of a benchmark, and the orders they send: single shares, as many sold as bought."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from tests.load.client import Client, request

SYMBOLS = ("AAPL", "GOOG", "IBM", "MSFT", "FB")
# What everybody owns of each symbol before the load: more than is ever on its way to be sold at once.
STOCK = 12
AT_ONCE = 4
TRIES = 5


@dataclass
class Trader:
    account_id: str
    token: str
    refresh_token: str


async def register(client: Client, count: int) -> list[Trader]:
    """So many new users, logged in."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one() -> Trader:
        async with limit:
            for _ in range(TRIES):  # hashing passwords may take a busy machine too long
                with suppress(RuntimeError):
                    return await _register(client)
            return await _register(client)

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def _register(client: Client) -> Trader:
    login = {"email": f"load-{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(16)}
    await client.call("POST", "/api/v1/auth/register", body={**login, "name": "Load"})
    found = await client.call("POST", "/api/v1/auth/login", body=login)
    return Trader(found["user"]["account_id"], found["access_token"], found["refresh_token"])


async def renew(client: Client, traders: Sequence[Trader]) -> None:
    """Access tokens are good for ten minutes: everybody gets a new one before each part of a run."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(trader: Trader) -> None:
        async with limit:
            body = {"refresh_token": trader.refresh_token}
            fresh = await client.call("POST", "/api/v1/auth/refresh", body=body)
            trader.token, trader.refresh_token = fresh["access_token"], fresh["refresh_token"]

    await asyncio.gather(*(one(trader) for trader in traders))


async def stock_up(client: Client, traders: Sequence[Trader]) -> int:
    """Everybody buys what is sold later; answers how many orders that were."""
    limit = asyncio.Semaphore(4 * AT_ONCE)

    async def one(trader: Trader, symbol: str) -> None:
        async with limit:
            sent = order(trader, symbol, "BUY", quantity=STOCK, key=secrets.token_hex(8))
            answer = await client.send(sent)
            if answer.status != 202:
                raise RuntimeError(f"stocking up: {answer.status} {answer.body.decode()}")

    await asyncio.gather(*(one(trader, symbol) for trader in traders for symbol in SYMBOLS))
    return len(traders) * len(SYMBOLS)


def order(trader: Trader, symbol: str, side: str, *, quantity: int = 1, key: str) -> bytes:
    """The request of a market order."""
    body = {"symbol": symbol, "side": side, "type": "MARKET", "quantity": str(quantity)}
    return request("POST", "/api/v1/orders", token=trader.token, body=body, key=key)


def orders_of(traders: Sequence[Trader], number: int, run: str) -> bytes:
    """The n-th of an endless row: each trader in turn, each symbol bought and sold in turn."""
    trader = traders[number % len(traders)]
    turn = number // len(traders)
    symbol = SYMBOLS[turn % len(SYMBOLS)]
    side = "SELL" if (turn // len(SYMBOLS) + number) % 2 else "BUY"
    return order(trader, symbol, side, key=f"{run}-{number}")


async def shares(client: Client, trader: Trader, symbol: str) -> Decimal:
    """How many of them the trader's positions show."""
    answer = await client.call("GET", "/api/v1/positions", token=trader.token)
    held = (Decimal(each["quantity"]) for each in answer["positions"] if each["symbol"] == symbol)
    return next(held, Decimal(0))
