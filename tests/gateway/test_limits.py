"""How often one may ask: counted in Redis, drawn in leases, and what happens without Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from hub_errors import Exhausted, Unavailable
from hub_gateway.limits import Limits, Rule, WithoutRedis
from tests.gateway.world import rules, running_gateway
from tests.support.jobs import eventually, running
from tests.support.servers import Login
from tests.support.tls import Tls

ORDERS = Rule(name="orders", limit=100, lease=10)
VISITS = Rule(name="visits", limit=5, without_redis=WithoutRedis.CLOSED)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def to(dsn: str) -> Redis:
    return Redis.from_url(dsn, socket_timeout=0.25, socket_connect_timeout=0.25)


async def granted(limits: Limits, rule: Rule, subject: str, times: int) -> int:
    results = await asyncio.gather(
        *(limits.take(rule, subject) for _ in range(times)), return_exceptions=True
    )
    assert all(result is None or isinstance(result, Exhausted) for result in results), results
    return sum(result is None for result in results)


@asynccontextmanager
async def nobody() -> AsyncIterator[Redis]:
    """A Redis that is not there."""
    async with to("redis://127.0.0.1:1/0") as redis:
        yield redis


@asynccontextmanager
async def mute() -> AsyncIterator[Redis]:
    """A Redis that accepts connections and never says a word."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with to(f"redis://127.0.0.1:{port}/0") as redis:
            yield redis


async def test_the_limit_is_granted_and_no_more(redis: Login) -> None:
    async with to(redis.dsn) as client:
        limits = Limits(client, now=Clock())
        assert await granted(limits, ORDERS, "a", 150) == 100
        assert await granted(limits, ORDERS, "b", 10) == 10


async def test_too_many_requests_learn_when_the_window_ends(redis: Login) -> None:
    clock = Clock()
    async with to(redis.dsn) as client:
        limits = Limits(client, now=clock)
        await granted(limits, ORDERS, "a", 100)
        with pytest.raises(Exhausted) as refused:
            await limits.take(ORDERS, "a")
        assert refused.value.retry_after_s == 60 - clock.now % 60
        clock.now += 60
        assert await granted(limits, ORDERS, "a", 150) == 100


async def test_several_processes_share_one_limit(redis: Login) -> None:
    clock = Clock()
    async with to(redis.dsn) as one, to(redis.dsn) as other:
        counts = await asyncio.gather(
            granted(Limits(one, now=clock), ORDERS, "a", 100),
            granted(Limits(other, now=clock), ORDERS, "a", 100),
        )
    assert sum(counts) == 100


async def test_a_lease_spares_round_trips(redis: Login) -> None:
    async with to(redis.dsn) as client:
        await client.config_resetstat()
        await granted(Limits(client, now=Clock()), ORDERS, "a", 50)
        stats = await client.info("commandstats")
    assert stats["cmdstat_incrby"]["calls"] == 5


@pytest.mark.parametrize("broken", [nobody, mute])
async def test_without_redis_orders_are_counted_here(broken: type) -> None:
    async with broken() as redis:
        limits = Limits(redis, now=Clock())
        async with asyncio.timeout(5):
            assert await granted(limits, ORDERS, "a", 150) == 100


@pytest.mark.parametrize("broken", [nobody, mute])
async def test_without_redis_nobody_registers_or_logs_in(broken: type) -> None:
    async with broken() as redis, asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(Unavailable) as refused:
                await Limits(redis).take(VISITS, "127.0.0.1")
    assert refused.value.code == "limits_unavailable"


async def test_a_user_who_asks_too_often_is_told_to_wait(tls: Tls, redis: Login) -> None:
    async with running_gateway(tls, redis.dsn, paces=rules(orders=3, reads=3)) as gateway:
        headers = gateway.bearer()
        for path, method in [("/api/v1/orders", "POST"), ("/api/v1/instruments", "GET")]:
            answers = [await gateway.http.request(method, path, headers=headers) for _ in range(4)]
            assert 429 not in {answer.status_code for answer in answers[:3]}
            assert answers[3].status_code == 429
            assert answers[3].json()["code"] == "rate_limited"
            assert int(answers[3].headers["retry-after"]) >= 1


async def test_without_redis_the_gateway_refuses_logins_and_takes_orders(tls: Tls) -> None:
    async with running_gateway(tls, "redis://127.0.0.1:1/0") as gateway:
        credentials = {"email": "a@example.com", "password": "secret secret"}
        login = await gateway.http.post("/api/v1/auth/login", json=credentials)
        assert (login.status_code, login.json()["code"]) == (503, "limits_unavailable")
        order = await gateway.http.post("/api/v1/orders", json={}, headers=gateway.bearer())
        assert (order.status_code, order.json()["code"]) == (400, "missing_field")


async def test_a_request_finds_a_connection_that_is_open(redis: Login) -> None:
    async with to(redis.dsn) as client, to(redis.dsn) as other:
        limits = Limits(client)
        await limits.connect()
        before = (await other.info("stats"))["total_connections_received"]
        await limits.take(VISITS, "x")
        assert (await other.info("stats"))["total_connections_received"] == before


async def test_a_lost_connection_is_made_again_before_anybody_asks(redis: Login) -> None:
    async with Redis.from_url(redis.dsn, client_name="watched") as client, to(redis.dsn) as other:

        async def connections() -> set[str]:
            return {each["id"] for each in await other.client_list() if each["name"] == "watched"}

        async with running(Limits(client).watch()):
            await eventually(lambda: bool_of(connections()))
            [lost] = await connections()
            await other.client_kill_filter(_id=lost)
            await eventually(lambda: bool_of(connections()))
            assert await connections() != {lost}


async def bool_of(found: Awaitable[set[str]]) -> bool:
    return bool(await found)


async def test_a_watch_whose_cancellation_the_client_swallows_ends() -> None:
    asked = asyncio.Event()

    class Swallowing(Redis):
        """Takes a cancellation for the end of its connection."""

        async def ping(self, **_: object) -> bool:
            asked.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise RedisConnectionError from None
            return True

    watch = asyncio.create_task(Limits(Swallowing()).watch())
    await asked.wait()
    watch.cancel()
    _, still = await asyncio.wait({watch}, timeout=10)
    assert not still


async def test_a_start_without_redis_goes_on() -> None:
    async with nobody() as client:
        await Limits(client).connect()
