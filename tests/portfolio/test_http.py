"""From HTTP to the tables and back: the gateway over the real service."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from hub.auth.v1 import auth_pb2
from hub.position.v1 import position_pb2
from hub_gateway import files, ledger
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_rpc import calling_as
from hub_runtime import uuid7
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.portfolio.front import Front
from tests.portfolio.street import MONDAY, TUESDAY, Street, at
from tests.position.world import execution, hold_of
from tests.support.servers import Login
from tests.support.tls import Tls

LISTS = "/api/v1/watchlists"
FILE = "/api/v1/ledger.csv"
HISTORY = "/api/v1/portfolio/history"


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


@pytest.fixture
async def investor(gateway: Gateway, front: Front) -> None:
    """Who the client is now: has one stock that gained, one without a price, and a fund that lost."""
    user, owner = await front.books.owner()
    trades = (("AAPL", "10", "100"), ("MSFT", "1", "200"), ("SPY", "4", "50"))
    await front.books.world.book(
        [
            execution(hold_of(owner, Side.BUY, quantity, price, symbol=symbol), price)
            for symbol, quantity, price in trades
        ]
    )
    front.quote("AAPL", "120", close="125")
    front.quote("SPY", "45", close="40", age_s=60)
    gateway.http.headers["authorization"] = f"Bearer {user.token}"


async def get(gateway: Gateway, path: str) -> Any:
    found = await gateway.http.get(path)
    assert found.status_code == 200, found.text
    return found.json()


async def test_the_ledger_is_a_file_of_every_posting(
    gateway: Gateway, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, owner = await front.books.owner()
    gateway.http.headers["authorization"] = f"Bearer {user.token}"
    for number in range(3):
        await front.books.world.trade(owner, Side.BUY, "1", "100", minute=number)
    await front.books.world.move(owner, MovementKind.WITHDRAWAL, "-10.5")
    listed = (await get(gateway, "/api/v1/ledger?page_size=100"))["postings"]
    monkeypatch.setattr(ledger, "FILE_ROWS", 3)
    answer = await gateway.http.get(FILE)
    assert answer.headers["content-disposition"] == 'attachment; filename="ledger.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert tuple(rows[0]) == ledger.COLUMNS
    assert rows == [
        {name: "" if posting[name] is None else str(posting[name]) for name in ledger.COLUMNS}
        for posting in listed
    ]
    assert sum(Decimal(row["amount"]) for row in rows) == 0
    assert {(row["kind"], row["amount"]) for row in rows} >= {("withdrawal", "-10.5"), ("trade", "-100")}
    monkeypatch.setattr(files, "MOST_ROWS", 3)
    cut = (await gateway.http.get(FILE)).text
    rest = (await gateway.http.get(f"{FILE}?before={rows[2]['posting_id']}")).text
    monkeypatch.setattr(files, "MOST_ROWS", 100)
    assert list(csv.DictReader(io.StringIO(cut, newline=""))) == rows[:3]
    assert list(csv.DictReader(io.StringIO(rest, newline=""))) == rows[3:6]
    rest = (await gateway.http.get(f"{FILE}?before={rows[2]['posting_id']}")).text
    assert list(csv.DictReader(io.StringIO(rest, newline=""))) == rows[3:]
    assert not list(csv.DictReader(io.StringIO((await gateway.http.get(f"{FILE}?before=0")).text)))
    for wrong in ("", "x", "-1", "1" * 19):
        problem(await gateway.http.get(f"{FILE}?before={wrong}"), 400, "invalid_value", "before")


async def test_a_page_of_the_file_costs_no_walk_through_the_ledger(front: Front) -> None:
    user, _ = await front.books.owner()
    with calling_as(user.token):
        without = position_pb2.ListPostingsRequest(without_totals=True)
        found = await front.books.gateway.ListPostings(without)
        whole = await front.books.gateway.ListPostings(position_pb2.ListPostingsRequest())
    assert (len(found.totals), len(whole.totals)) == (0, 2)
    assert found.postings == whole.postings


async def test_a_history_over_http(gateway: Gateway, front: Front) -> None:
    street, (user, owner) = Street(front), await front.books.owner()
    await front.books.world.trade(owner, Side.BUY, "100", "100")
    gateway.http.headers["authorization"] = f"Bearer {user.token}"
    await street.heard(owner)
    await street.step(at(MONDAY), AAPL="100")
    await street.step(at(TUESDAY), AAPL="120")
    told = await get(gateway, f"{HISTORY}?period=1W&benchmark=SPY")
    assert (told["period"], told["benchmark"]) == ("1W", "SPY")
    first, second = told["points"]
    assert first == {
        "at": "2026-03-02T15:00:00.000000Z",
        "day": "2026-03-02",
        "equity": "100000",
        "cash": "90000",
        "market_value": "10000",
        "net_flow": "100000",
        "profit_loss": "0",
        "return_percent": "0.00",
        "benchmark_percent": None,
    }
    assert (second["equity"], second["profit_loss"], second["return_percent"]) == ("102000", "2000", "2.00")
    usual = await get(gateway, HISTORY)
    assert (usual["period"], usual["benchmark"], usual["points"]) == ("1M", None, told["points"])
    for wrong in ("period=2D", "period=", "benchmark=no"):
        field, code = wrong.partition("=")[0], "invalid_symbol" if "bench" in wrong else "invalid_value"
        problem(await gateway.http.get(f"{HISTORY}?{wrong}"), 400, code, field)
    del gateway.http.headers["authorization"]
    assert (await gateway.http.get(HISTORY)).status_code == 401


@pytest.mark.usefixtures("investor")
async def test_a_summary_has_the_change_of_the_day_and_the_categories(gateway: Gateway) -> None:
    told = await get(gateway, "/api/v1/portfolio/summary")
    assert (told["cash"], told["invested"], told["market_value"]) == ("98600", "1400", "1380")
    assert (told["unrealised_pnl"], told["unrealised_pnl_percent"], told["stale"]) == ("180", "15.00", True)
    # -50 of the stock and 20 of the fund, which were worth 1250 and 160.
    assert (told["day_change"], told["day_change_percent"]) == ("-30", "-2.13")
    apple, microsoft, fund = told["positions"]
    assert (apple["day_change"], apple["day_change_percent"], apple["stale"]) == ("-50", "-4.00", False)
    assert (microsoft["day_change"], microsoft["price_at"], microsoft["stale"]) == (None, None, True)
    assert (fund["day_change"], fund["stale"]) == ("20", True)
    assert fund["price_at"] is not None
    etf, stock = told["categories"]
    assert (etf["asset_class"], etf["weight"], etf["positions"], etf["stale"]) == ("ETF", "13.04", 1, True)
    assert (stock["asset_class"], stock["weight"], stock["positions"]) == ("STOCK", "86.96", 2)
    assert (stock["invested"], stock["market_value"], stock["unrealised_pnl"]) == ("1200", "1200", "200")
    assert (await get(gateway, "/api/v1/positions"))["positions"] == told["positions"]


@pytest.mark.usefixtures("investor")
async def test_an_allocation_has_each_class_and_each_position_in_it(gateway: Gateway) -> None:
    told = await get(gateway, "/api/v1/portfolio/allocation")
    assert (told["currency"], told["invested"], told["market_value"]) == ("USD", "1400", "1380")
    assert (told["unrealised_pnl"], told["unrealised_pnl_percent"]) == ("180", "15.00")
    etf, stock = told["categories"]
    assert (etf["unrealised_pnl"], etf["unrealised_pnl_percent"]) == ("-20", "-10.00")
    assert (stock["unrealised_pnl"], stock["unrealised_pnl_percent"], stock["weight"]) == (
        "200",
        "20.00",
        "86.96",
    )
    apple, microsoft = stock["positions"]
    assert apple | {"price_at": None} == {
        "symbol": "AAPL",
        "name": "Apple Inc.",
        "invested": "1000",
        "market_value": "1200",
        "unrealised_pnl": "200",
        "unrealised_pnl_percent": "20.00",
        "weight": "86.96",
        "price_at": None,
        "stale": False,
    }
    assert (microsoft["market_value"], microsoft["weight"], microsoft["stale"]) == (None, None, True)


@pytest.mark.usefixtures("investor")
async def test_the_predecessors_paths_say_the_same_in_its_shapes(gateway: Gateway) -> None:
    assert await get(gateway, "/getBalance") == {"availableBalance": 98600}
    told = await get(gateway, "/getAucAggregation")
    # One without a price counts at its cost.
    assert (told["totalInvested"], told["currentTotal"]) == (1400, 1580)
    stock, etf = told["positionAggregation"]
    assert (stock["category"], stock["totalInvested"], stock["currentTotal"]) == (1, 1200, 1400)
    assert (etf["category"], etf["pnl"], etf["pnlPercentage"]) == (2, -20, -10)
    assert etf["assets"] == [
        {"symbol": "SPY", "quantity": 4, "averagePrice": 50, "currentPrice": 45, "category": 2}
    ]
    summary = await get(gateway, "/getPortfolioSummary")
    assert (summary["Balance"], summary["TotalPortfolio"]) == ({"availableBalance": 98600}, 100180)
    assert summary["PositionAggregation"] == told


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
    problem(
        await http.post(LISTS, json={"name": "Two", "symbols": ["a"]}), 400, "invalid_symbol", "symbols[0]"
    )
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
