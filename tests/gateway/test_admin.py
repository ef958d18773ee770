"""Administrators get through, with their token; nobody else does, and their requests go nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hub.auth.v1 import auth_pb2
from hub.market_data.v1 import market_data_admin_pb2 as admin_pb2
from hub.market_data.v1 import market_data_pb2
from hub_errors import Refused
from tests.gateway.canned import Peers, canned
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls

A = "/api/v1/admin"
HOURS = {
    "first_day": "2026-11-27",
    "last_day": "2026-11-27",
    "hours": [{"opens": "09:30", "closes": "13:00"}],
}
ROUTES: list[tuple[str, str, Any]] = [
    ("POST", f"{A}/instruments/AAPL/halt", {"reason": "news"}),
    ("POST", f"{A}/instruments/AAPL/resume", None),
    ("POST", f"{A}/calendars", {"calendar": "XTKS", "timezone": "Asia/Tokyo"}),
    ("PUT", f"{A}/calendars/XNYS/hours", HOURS),
    ("DELETE", f"{A}/market-data/cache?symbols=AAPL,MSFT", None),
    ("POST", f"{A}/market-data/cache/warm", {"symbols": ["AAPL"]}),
    ("POST", f"{A}/market-data/clock", {"market_time": "2026-11-28T12:00:00Z"}),
    ("POST", f"{A}/instruments/AAPL/actions", {"type": "SPLIT", "ex_date": "2026-11-30", "ratio": 4}),
    ("PUT", f"{A}/users/roles", {"email": "ada@example.com", "roles": ["support"]}),
    ("GET", f"{A}/status", None),
]


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        halted = market_data_pb2.Instrument(
            symbol="AAPL", halted=True, halt_reason="news", asset_class=market_data_pb2.ASSET_CLASS_STOCK
        )
        for name in ("tick_size", "lot_size", "min_quantity", "max_quantity"):
            setattr(halted, name, "1")
        action = market_data_pb2.CorporateAction(
            symbol="AAPL",
            type=market_data_pb2.CORPORATE_ACTION_TYPE_SPLIT,
            ex_date="2026-11-30",
            ratio="4",
            status=market_data_pb2.CORPORATE_ACTION_STATUS_ANNOUNCED,
        )
        clock = admin_pb2.MoveMarketTimeResponse()
        clock.market_time.FromDatetime(datetime(2026, 11, 28, 12, tzinfo=UTC))
        user_id = "01a20e32-4061-7c52-9d0f-2f6a0f4f3b11"
        user = auth_pb2.User(user_id=user_id, account_id=user_id, roles=["user", "support"])
        made.answers = {
            "HaltInstrument": admin_pb2.HaltInstrumentResponse(instrument=halted),
            "ResumeInstrument": admin_pb2.ResumeInstrumentResponse(instrument=halted),
            "CreateCalendar": admin_pb2.CreateCalendarResponse(calendar="XTKS", timezone="Asia/Tokyo"),
            "SetTradingHours": admin_pb2.SetTradingHoursResponse(),
            "InvalidateCache": admin_pb2.InvalidateCacheResponse(count=2),
            "WarmCache": admin_pb2.WarmCacheResponse(count=1),
            "MoveMarketTime": clock,
            "AddCorporateAction": admin_pb2.AddCorporateActionResponse(action=action),
            "SetUserRoles": auth_pb2.SetUserRolesResponse(user=user),
        }
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        yield gateway


async def send(
    gateway: Gateway, method: str, path: str, body: Any, *roles: str, token: bool = True
) -> httpx.Response:
    headers = {"authorization": f"Bearer {gateway.signer.token(roles=roles)}"} if token else {}
    return await gateway.http.request(method, path, json=body, headers=headers)


async def test_administrators_get_through(gateway: Gateway, peers: Peers) -> None:
    for method, path, body in ROUTES:
        answer = await send(gateway, method, path, body, "user", "admin")
        assert answer.status_code in {200, 201}, answer.text
    assert set(peers.asked) == set(peers.answers)
    assert "" not in peers.tokens
    assert list(peers.asked["InvalidateCache"][0].symbols) == ["AAPL", "MSFT"]
    [hours] = peers.asked["SetTradingHours"][0].hours
    assert (hours.opens, hours.closes) == ("09:30", "13:00")
    moved = peers.asked["MoveMarketTime"][0].market_time.ToDatetime(tzinfo=UTC)
    assert moved == datetime(2026, 11, 28, 12, tzinfo=UTC)
    [added] = peers.asked["AddCorporateAction"]
    assert (added.ratio, added.amount) == ("4", "")


async def test_without_the_role_or_a_token_nothing_is_asked(gateway: Gateway, peers: Peers) -> None:
    for method, path, body in ROUTES:
        problem(await send(gateway, method, path, body, "user", "support"), 403, "role_required")
        problem(await send(gateway, method, path, body, token=False), 401, "token_missing")
    assert not peers.asked


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "field"),
    [
        ("POST", f"{A}/instruments/AAPL/halt", {"reason": ""}, "invalid_length", "reason"),
        ("POST", f"{A}/instruments/AAPL/halt", {}, "missing_field", "reason"),
        ("PUT", f"{A}/calendars/XNYS/hours", {**HOURS, "weekdays": [8]}, "invalid_weekday", "weekdays"),
        ("PUT", f"{A}/calendars/XNYS/hours", {**HOURS, "hours": "closed"}, "wrong_type", "hours"),
        ("DELETE", f"{A}/market-data/cache", None, "missing_parameter", "symbols"),
        ("DELETE", f"{A}/market-data/cache?symbols=", None, "invalid_symbol", "symbols"),
        ("POST", f"{A}/market-data/cache/warm", {"symbols": []}, "invalid_length", "symbols"),
        ("POST", f"{A}/market-data/clock", {"market_time": "noon"}, "invalid_value", "market_time"),
        ("POST", f"{A}/instruments/AAPL/actions", {"type": "MERGER"}, "invalid_value", "type"),
        (
            "POST",
            f"{A}/instruments/AAPL/actions",
            {"type": "SPLIT", "ex_date": "2026-11-30", "ratio": "0.000000001"},
            "too_precise",
            "ratio",
        ),
        ("PUT", f"{A}/users/roles", {"email": "a@b.com", "roles": ["root"]}, "invalid_value", "roles[0]"),
    ],
)
async def test_what_makes_no_sense_is_refused_here(  # noqa: PLR0917 - one case a row
    gateway: Gateway, peers: Peers, method: str, path: str, body: Any, code: str, field: str
) -> None:
    problem(await send(gateway, method, path, body, "admin"), 400, code, field)
    assert not peers.asked


async def test_what_the_owner_refuses_is_passed_on(gateway: Gateway, peers: Peers) -> None:
    peers.answers["SetUserRoles"] = Refused("No.", code="last_admin", field="roles")
    body = {"email": "root@example.com", "roles": []}
    answer = await send(gateway, "PUT", f"{A}/users/roles", body, "admin")
    problem(answer, 422, "last_admin", "roles")


async def test_the_status_tells_of_every_service_also_of_one_that_cannot_be_asked(gateway: Gateway) -> None:
    answer = (await send(gateway, "GET", f"{A}/status", None, "admin")).json()
    services = {each["service"]: each for each in answer["services"]}
    assert set(services) == {
        "gateway",
        "auth",
        "market-data",
        "order",
        "position",
        "portfolio",
        "quote-stream",
    }
    assert services["order"]["ready"]
    assert {"name": "redis", "state": "ok"} in services["gateway"]["dependencies"]
    assert (services["quote-stream"]["ready"], services["quote-stream"]["reason"]) == (
        False,
        "peer_unavailable",
    )
    assert answer["ready"] is False
