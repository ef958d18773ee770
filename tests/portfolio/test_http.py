"""From HTTP to the tables and back: the gateway over the real service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.auth.v1 import auth_pb2
from hub_runtime import uuid7
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.portfolio.front import Front
from tests.support.servers import Login
from tests.support.tls import Tls

LISTS = "/api/v1/watchlists"


@pytest.fixture
async def gateway(front: Front, tls: Tls, redis_server: Login) -> AsyncIterator[Gateway]:
    """Whose client is a user whom both know."""
    targets = {"portfolio": front.target, "position": front.books.target}
    async with running_gateway(tls, redis_server.dsn, targets=targets) as gateway:
        signer = front.books.signer
        trusted = auth_pb2.WatchTrustResponse(snapshot=True)
        trusted.keys.add(kid="test", algorithm="ES256", public_key_pem=signer.public_pem())
        gateway.trust.apply(trusted)
        gateway.http.headers["authorization"] = f"Bearer {signer.user().token}"
        yield gateway


async def test_a_watchlist_from_its_making_to_its_end(gateway: Gateway, front: Front) -> None:
    front.quote("AAPL", "110.5", close="100")
    http = gateway.http
    assert (await http.get(LISTS)).json() == {"watchlists": []}
    made = await http.post(LISTS, json={"name": "Technology", "symbols": ["MSFT", "AAPL"]})
    assert made.status_code == 201
    place = made.headers["location"]
    assert place == f"{LISTS}/{made.json()['watchlist_id']}"
    unquoted, apple = (await http.get(place)).json()["symbols"]
    assert apple | {"price_at": None} == {
        "symbol": "AAPL",
        "name": "Apple Inc.",
        "asset_class": "STOCK",
        "price": "110.5",
        "price_at": None,
        "stale": False,
        "change": "10.5",
        "change_percent": "10.50",
    }
    assert (unquoted["price"], unquoted["change"], unquoted["stale"]) == (None, None, True)
    added = await http.post(f"{place}/symbols", json={"symbol": "SPY"})
    assert [each["symbol"] for each in added.json()["symbols"]] == ["MSFT", "AAPL", "SPY"]
    removed = await http.delete(f"{place}/symbols/AAPL")
    assert [each["symbol"] for each in removed.json()["symbols"]] == ["MSFT", "SPY"]
    changed = await http.patch(place, json={"name": "Tech", "symbols": ["SPY"], "version": 3})
    assert (changed.json()["name"], changed.json()["version"]) == ("Tech", 4)
    assert (await http.get(LISTS)).json() == {"watchlists": [changed.json()]}
    deleted = await http.delete(place)
    assert (deleted.status_code, deleted.content) == (204, b"")
    problem(await http.delete(place), 404, "watchlist_not_found")
    problem(await http.get(place), 404, "watchlist_not_found")


async def test_what_is_wrong_with_a_watchlist_has_a_code(gateway: Gateway) -> None:
    http = gateway.http
    made = await http.post(LISTS, json={"name": "One", "symbols": ["AAPL"]})
    place = made.headers["location"]
    problem(await http.post(LISTS, json={"name": " ONE"}), 409, "watchlist_name_taken", "name")
    problem(await http.post(LISTS, json={"name": "  "}), 400, "invalid_length", "name")
    problem(await http.post(LISTS, json={"name": "Two", "symbols": ["a"]}), 400, "invalid_symbol", "symbols")
    unknown = await http.post(LISTS, json={"name": "Two", "symbols": ["AAPL", "NOPE"]})
    assert "NOPE" in problem(unknown, 422, "unknown_symbol", "symbols")["detail"]
    problem(await http.patch(place, json={"version": 1}), 400, "nothing_to_change")
    problem(await http.patch(place, json={"name": "Two", "version": 9}), 409, "watchlist_changed", "version")
    problem(await http.patch(place, json={"name": "Two", "version": 2**70}), 400, "wrong_type", "version")
    problem(await http.post(f"{place}/symbols", json={"symbol": "NOPE"}), 422, "unknown_symbol", "symbol")
    for symbol in ("MSFT", "nobody's"):
        problem(await http.delete(f"{place}/symbols/{symbol}"), 404, "symbol_not_watched", "symbol")
    for other in (str(uuid7()), "none", made.json()["watchlist_id"].replace("-", "")):
        problem(await http.get(f"{LISTS}/{other}"), 404, "watchlist_not_found")


async def test_the_predecessors_watchlist_has_every_symbol_once(gateway: Gateway, front: Front) -> None:
    front.quote("AAPL", "110.5")
    assert (await gateway.http.get("/getWatchlist")).json() == []
    for name, symbols in (("One", ["BTC-USD", "AAPL"]), ("Two", ["AAPL", "SPY"]), ("Three", [])):
        made = await gateway.http.post(LISTS, json={"name": name, "symbols": symbols})
        assert made.status_code == 201
    assert (await gateway.http.get("/getWatchlist")).json() == [
        {"Symbol": "BTC-USD", "CompanyName": "BTC-USD by name", "LastQuote": None, "Category": 4},
        {"Symbol": "AAPL", "CompanyName": "Apple Inc.", "LastQuote": 110.5, "Category": 1},
        {"Symbol": "SPY", "CompanyName": "SPY by name", "LastQuote": None, "Category": 2},
    ]
