"""A process dies at every named place of an order's way, under load; no order is lost or executed twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest

from hub_local.stack import Stack
from tests.support.crash_points import crash_points
from tests.support.jobs import running
from tests.system.books import balanced
from tests.system.places import database
from tests.system.user import FINAL, NewUser, User, until

ORDERS_PER_SECOND = 25
# The places behind a venue that keeps orders are on no other way.
SLOW_VENUE = {
    "HUB_VENUE": "simulated-slow",
    "HUB_VENUE_DELAY_S": "1",
    "HUB_VENUE_DOUBLED": "0.3",
    "HUB_RECONCILE_INTERVAL_S": "1",
}
# What the load does not reach: a purchase that waited for the open, and corporate actions, which die in
# tests/adversity/test_corporate_actions.py and tests/position/test_actions.py.
ELSEWHERE = ("position.reprice.", "position.action.", "order.actions.")


def points_of(*prefixes: str) -> list[str]:
    return [name for prefix in prefixes for name in crash_points(prefix) if not name.startswith(ELSEWHERE)]


@dataclass
class Crowd:
    """Users who buy, who set limits, replace and cancel them, and who pay in."""

    users: Sequence[User]
    accepted: dict[str, User] = field(default_factory=dict)
    in_doubt: dict[str, User] = field(default_factory=dict)
    paid: list[str] = field(default_factory=list)
    """Keys of deposits that were answered."""

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        work = asyncio.create_task(self._work(stop))
        try:
            yield
        finally:
            stop.set()
            await work

    async def _work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                user = random.choice(self.users)
                [does] = random.choices((self._buys, self._changes, self._pays), (14, 5, 1))
                group.create_task(does(user))
                await asyncio.sleep(1 / ORDERS_PER_SECOND)

    async def _buys(self, user: User) -> None:
        await self._send(user, {"type": "MARKET", "quantity": "0.01"})

    async def _changes(self, user: User) -> None:
        """A limit far below the market, or one that a venue has at once: it is replaced by another one, and
        that is cancelled."""
        quote = await self._ask(user.http.get("/api/v1/market-data/AAPL"))
        if quote is None or quote.status_code != 200:
            return
        price = str(round(float(quote.json()["bid"]) * random.choice([0.5, 1.02]), 2))
        order = await self._send(user, {"type": "LIMIT", "limit_price": price, "quantity": "0.01"})
        if order is None:
            return
        for _ in range(20):
            answer = await self._ask(user.http.get(f"/api/v1/orders/{order}/status"))
            if answer is not None and answer.json().get("status") == "PROCESSING":
                break
            await asyncio.sleep(0.1)
        answer = await self._ask(user.http.patch(f"/api/v1/orders/{order}", json={"quantity": "0.02"}))
        if answer is not None and answer.status_code == 202:
            order = answer.json()["order_id"]
            self.accepted[order] = user
        elif answer is not None and answer.json().get("order_id"):
            self.in_doubt[answer.json()["order_id"]] = user
        await self._ask(user.http.put(f"/api/v1/orders/{order}/cancel"))

    async def _pays(self, user: User) -> None:
        """With a key, and again until it is answered."""
        key = f"deposit-{random.getrandbits(64)}"
        headers = {"idempotency-key": key}
        pays = partial(user.http.post, "/api/v1/deposits", json={"amount": "0.01"}, headers=headers)
        for _ in range(100):
            answer = await self._ask(pays())
            if answer is not None and answer.status_code == 201:
                self.paid.append(key)
                return
            await asyncio.sleep(0.5)

    async def _send(self, user: User, terms: Mapping[str, str]) -> str | None:
        body = {"symbol": "AAPL", "side": "BUY", **terms}
        answer = await self._ask(user.http.post("/api/v1/orders", json=body))
        if answer is None:
            return None
        order_id: str | None = answer.json().get("order_id")
        if answer.status_code == 202 and order_id:
            self.accepted[order_id] = user
            return order_id
        if order_id:
            self.in_doubt[order_id] = user
        assert answer.status_code in {409, 422, 429, 503, 504}, answer.text
        return None

    @staticmethod
    async def _ask(call: Any) -> httpx.Response | None:
        try:
            response: httpx.Response = await call
        except httpx.HTTPError:
            return None
        return response

    async def cancel_everything(self) -> None:
        for user in self.users:
            await until(
                partial(user.http.delete, "/api/v1/orders"),
                lambda answer: answer.status_code == httpx.codes.OK,
                timeout_s=60,
            )

    async def unfinished(self, orders: Mapping[str, User]) -> dict[str, str]:
        """The orders that are not final, or that are not there."""
        found = {}
        for order_id, user in orders.items():
            answer = await user.http.get(f"/api/v1/orders/{order_id}")
            status = (
                answer.json()["order"]["status"] if answer.status_code == 200 else str(answer.status_code)
            )
            if status not in FINAL:
                found[order_id] = status
        return found


async def days_pass(dsn: str) -> None:
    """The settlement day of every trade comes a second after it: nothing else can live with a clock that
    jumps."""
    due = "UPDATE trades SET settles_on = '2026-01-01' WHERE settled_at IS NULL AND settles_on > '2026-01-01'"
    while True:
        with suppress(OSError, asyncpg.PostgresError):
            connection = await asyncpg.connect(dsn)
            try:
                await connection.execute(due)
            finally:
                connection.terminate()
        await asyncio.sleep(1)


async def die_at_each(stack: Stack, name: str, points: Sequence[str], settings: Mapping[str, str]) -> None:
    """Each time the process is started it has the next point to die at, the last time none."""
    child = stack.children[name]
    plain = child.program

    def program_with(point: str) -> None:
        armed = {"HUB_CRASH_POINTS": f"{point}=kill@2"} if point else {}
        child.program = replace(plain, environment={**plain.environment, **settings, **armed})

    point = points[0]
    program_with(point)
    pid = stack.kill(name)
    for following in [*points[1:], ""]:
        await stack.wait_replaced(name, pid)
        pid = stack.pid(name) or 0
        child.deaths = 0  # it dies on purpose: no back-off
        program_with(following)
        await _died(stack, name, pid, at=point)
        point = following
    await stack.wait_replaced(name, pid)


async def _died(stack: Stack, name: str, pid: int, *, at: str) -> None:
    for _ in range(600):
        if stack.pid(name) != pid:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} did not come to {at}")


async def deposits(dsn: str, keys: Sequence[str]) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        query = "SELECT count(*) FROM cash_movements WHERE idempotency_key = ANY ($1::text[])"
        return int(await connection.fetchval(query, list(keys)))
    finally:
        await connection.close()


@pytest.mark.timeout(500)
async def test_no_order_is_lost_or_doubled_whatever_dies_where(stack: Stack, new_user: NewUser) -> None:
    crowd = Crowd([await new_user() for _ in range(4)])
    programs = {name: stack.children[name].program for name in ("order", "position")}
    order = points_of("order.", "relay.order", "consume.orders")
    position = points_of("position.", "relay.position", "consume.positions")
    assert len(order) >= 12, order
    assert len(position) >= 6, position
    async with crowd.at_work(), running(days_pass(database(stack, "position"))):
        async with asyncio.TaskGroup() as group:
            group.create_task(die_at_each(stack, "order", order, SLOW_VENUE))
            group.create_task(die_at_each(stack, "position", position, {"HUB_SETTLE_INTERVAL_S": "1"}))
        await stack.wait_ready()
    await crowd.cancel_everything()
    assert await balanced(database(stack, "order"), database(stack, "position"), timeout_s=150) == []
    assert await crowd.unfinished(crowd.accepted) == {}
    # What nobody could answer for either became an order, and ended, or never was one.
    assert set((await crowd.unfinished(crowd.in_doubt)).values()) <= {"404"}
    assert crowd.paid
    assert await deposits(database(stack, "position"), crowd.paid) == len(crowd.paid)
    for name, program in programs.items():
        stack.children[name].program = program
        await stack.wait_replaced(name, stack.kill(name))
    # Who comes next finds a platform whose parts have found each other again.
    user = crowd.users[0]
    bought = {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    sends = partial(user.http.post, "/api/v1/orders", json=bought)
    await until(sends, lambda answer: answer.is_success, timeout_s=60)
    looks = partial(user.http.get, "/api/v1/portfolio/summary")
    await until(looks, lambda answer: answer.is_success, timeout_s=60)
