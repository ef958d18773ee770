"""The whole platform answers as its OpenAPI document says, whatever it is asked (schemathesis)."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from hub_local.stack import Stack
from tests.system.user import NewUser, User

CHECKOUT = Path(__file__).parents[2]
SETTINGS = CHECKOUT / "tests/system/schemathesis.toml"
LIMIT_S = 220
FULL = ("--max-examples", "5")
# What an administrator does to markets and users, others in this session would feel; test_admin does these.
FELT = ("/halt", "/resume", "/actions", "/hours", "/clock", "/roles", "/admin/calendars")
# What cannot succeed here: the token must last, orders at the market end before they can be cancelled or
# replaced, there may be no position yet, nor a watchlist just then, and sockets are no requests.
ELSEWHERE = {
    ("POST", "/api/v1/auth/logout"),
    ("PUT", "/api/v1/orders/{order_id}/cancel"),
    ("PATCH", "/api/v1/orders/{order_id}"),
    ("POST", "/api/v1/positions/{symbol}/close"),
    ("PATCH", "/api/v1/watchlists/{watchlist_id}"),
    ("DELETE", "/api/v1/watchlists/{watchlist_id}/symbols/{symbol}"),
    ("PUT", "/orders/{order_id}/cancel"),
    ("GET", "/api/v1/stream"),
    ("GET", "/ws/quotes"),
}
_COUNT = re.compile(
    r'^hub_gateway_http_requests_total\{method="(\w+)",route="([^"]+)",status="(\d+)"\} (\S+)', re.MULTILINE
)
Counts = Counter[tuple[str, str, int]]


async def examine(stack: Stack, *options: str, token: str = "") -> None:
    """One run. It draws the same requests each time, and says how to repeat what failed."""
    header = ["--header", f"Authorization: Bearer {token}"] if token else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS)),
        *("run", f"{stack.gateway_url}/openapi.json", "--generation-deterministic", "--no-color"),
        *("--generation-codec", "latin-1", "--workers", "1", "--continue-on-failure", *header, *options),
        cwd=CHECKOUT,
        env={"PYTHONPATH": str(CHECKOUT), "PYTHONUTF8": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()


async def answered(stack: Stack) -> Counts:
    """How often the gateway answered what, by method, route and status."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://127.0.0.1:{stack.ports.admin['gateway']}/metrics")).text
    return Counter(
        {
            (method, route, int(status)): int(float(count))
            for method, route, status, count in _COUNT.findall(text)
        }
    )


async def documented(stack: Stack) -> set[tuple[str, str]]:
    async with httpx.AsyncClient(base_url=stack.gateway_url) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    return {
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method != "parameters"
    }


def without(*endings: str) -> tuple[str, str]:
    return "--exclude-path-regex", f"({'|'.join(endings)})$"


def token(user: User) -> str:
    return user.http.headers["authorization"].removeprefix("Bearer ")


@pytest.mark.timeout(400)
async def test_every_route_keeps_the_contract_for_a_user(stack: Stack, new_user: NewUser) -> None:
    before = await answered(stack)
    user = await new_user()
    await examine(stack, *FULL, "--exclude-tag", "admin", *without("/logout"), token=token(user))
    found = await answered(stack) - before
    total = sum(found.values())
    assert total > 500, "hardly anything was asked"
    assert not {key: count for key, count in found.items() if key[2] == 429 or key[2] >= 500}
    good = {(method, route) for method, route, status in found if 200 <= status < 300}
    unseen = {route for route in await documented(stack) - good if "/admin/" not in route[1]}
    assert unseen - ELSEWHERE == set(), "these never did what they are for"
    assert sum(count for (_, _, status), count in found.items() if status < 300) > total / 10


async def test_every_route_keeps_the_contract_for_nobody_and_for_a_user_who_is_no_administrator(
    stack: Stack, new_user: NewUser
) -> None:
    before = await answered(stack)
    once = ("--phases", "fuzzing", "--mode", "positive", "--max-examples", "1")
    await examine(stack, *once, *without("/login", "/register", "/refresh"))
    user = await new_user()
    await examine(stack, *once, "--include-tag", "admin", token=token(user))
    found = await answered(stack) - before
    for method, path in await documented(stack):
        if "/admin/" in path:
            assert found[method, path, 401] > 0, (method, path)
            assert found[method, path, 403] > 0, (method, path)
            assert not [key for key in found if key[:2] == (method, path) and key[2] < 300]


@pytest.mark.timeout(300)
async def test_what_an_administrator_may_look_at_keeps_the_contract(stack: Stack, admin: User) -> None:
    before = await answered(stack)
    await examine(stack, *FULL, "--include-tag", "admin", *without(*FELT), token=token(admin))
    found = await answered(stack) - before
    assert found["GET", "/api/v1/admin/status", 200] > 0
    assert found["DELETE", "/api/v1/admin/market-data/cache", 200] > 0
    assert not {key: count for key, count in found.items() if key[2] == 429 or key[2] >= 500}
