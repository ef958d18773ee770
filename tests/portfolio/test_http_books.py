"""From HTTP to the tables and back: activities, statements and parts of positions."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.auth.v1 import auth_pb2
from hub_gateway import activities, files, statements
from hub_portfolio.domain.month import Month
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_postgres import Pool
from hub_runtime import utc_now, uuid7
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.portfolio.front import Front, portfolio_front
from tests.portfolio.test_statements import Watch
from tests.position.house import House
from tests.position.world import Owner, execution, hold_of
from tests.support.servers import Login
from tests.support.tls import Tls

ACTIVITIES, STATEMENTS, VIEWS = (
    "/api/v1/activities",
    "/api/v1/statements",
    "/api/v1/positions/AAPL/views",
)
FORMULA = '=1+"1"'


@dataclass(frozen=True)
class Client:
    """Who has bought and sold, and was given cash for a reason that a spreadsheet would run."""

    gateway: Gateway
    front: Front
    watch: Watch
    owner: Owner

    async def get(self, path: str) -> Any:
        found = await self.gateway.http.get(path)
        assert found.status_code == 200, found.text
        return found.json()

    async def table(self, path: str) -> list[dict[str, str]]:
        found = await self.gateway.http.get(path)
        assert found.status_code == 200, found.text
        assert found.text.endswith("\r\n")
        return list(csv.DictReader(io.StringIO(found.text, newline="")))


@pytest.fixture
async def client(books: House, pool: Pool, tls: Tls, redis_server: Login) -> AsyncIterator[Client]:
    watch = Watch()
    async with portfolio_front(books, pool, tls, clock=watch) as front:
        targets = {"portfolio": front.target, "position": books.target}
        async with running_gateway(tls, redis_server.dsn, targets=targets) as gateway:
            trusted = auth_pb2.WatchTrustResponse(snapshot=True)
            trusted.keys.add(kid="test", algorithm="ES256", public_key_pem=books.signer.public_pem())
            gateway.trust.apply(trusted)
            user, owner = await books.owner()
            gateway.http.headers["authorization"] = f"Bearer {user.token}"
            world = books.world
            await world.book([execution(hold_of(owner, Side.BUY, "10", "100"), "100", fee="1")])
            await world.book([execution(hold_of(owner, Side.SELL, "4"), "110", minute=1, fee="0.5")])
            await world.move(owner, MovementKind.ADJUSTMENT, "5", actor="admin:x", reason=FORMULA)
            yield Client(gateway, front, watch, owner)


async def test_activities_are_events_with_what_a_user_understands(client: Client) -> None:
    adjusted, sold, bought, opening = (await client.get(ACTIVITIES))["activities"]
    assert (adjusted["type"], adjusted["net_amount"], adjusted["reason"]) == ("adjustment", "5", FORMULA)
    assert (opening["type"], opening["net_amount"], opening["symbol"]) == ("deposit", "100000", None)
    assert (bought["side"], bought["cost"], bought["net_amount"]) == ("BUY", "1000", "-1001")
    for name in ("activity_id", "transaction_id", "posted_at", "order_id", "trade_id"):
        assert sold.pop(name)
    assert sold == {
        "type": "fill",
        "symbol": "AAPL",
        "side": "SELL",
        "quantity": "4",
        "price": "110",
        "ratio": None,
        "quantity_before": None,
        "quantity_after": None,
        "net_amount": "439.5",
        "settled": "0",
        "cost": "-400",
        "realised_pnl": "40",
        "fee": "0.5",
        "dividend": "0",
        "executed_at": "2026-01-05T15:01:00.000000Z",
        "reason": None,
    }


async def test_activities_are_filtered_and_paged(client: Client) -> None:
    async def types(query: str) -> list[str]:
        return [each["type"] for each in (await client.get(f"{ACTIVITIES}?{query}"))["activities"]]

    assert await types("type=fill") == ["fill", "fill"]
    assert await types("type=deposit,adjustment") == ["adjustment", "deposit"]
    assert await types("symbol=AAPL") == ["fill", "fill"]
    assert await types("symbol=MSFT") == []
    tomorrow = (utc_now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert await types(f"from={tomorrow}") == []
    assert len(await types(f"before={tomorrow}")) == 4
    assert await types("type=settlement") == []
    await client.front.books.world.settle_trades()
    assert await types("type=settlement") == ["settlement"] * 2
    assert len(await types("page_size=4")) == 4
    first = await client.get(f"{ACTIVITIES}?page_size=3")
    rest = await client.get(f"{ACTIVITIES}?page_size=3&page_token={first['next_page_token']}")
    assert ([each["type"] for each in rest["activities"]], rest["next_page_token"]) == (["deposit"], None)
    for query, code, field in (
        ("type=trade", "invalid_value", "type"),
        ("type=", "invalid_value", "type"),
        ("symbol=a", "invalid_symbol", "symbol"),
        ("from=yesterday", "invalid_value", "from"),
        ("from=2026-02-01&before=2026-01-01", "inverted_range", "before"),
        ("page_token=x", "invalid_page_token", "page_token"),
        ("page_size=0", "invalid_value", "page_size"),
    ):
        problem(await client.gateway.http.get(f"{ACTIVITIES}?{query}"), 400, code, field)


async def test_the_file_of_activities_has_the_same_rows_and_runs_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities, "FILE_ROWS", 3)
    listed = (await client.get(ACTIVITIES))["activities"]
    rows = await client.table(f"{ACTIVITIES}.csv")
    assert tuple(rows[0]) == activities.COLUMNS
    assert set(activities.COLUMNS) == set(listed[0])
    assert rows[0]["reason"] == f"'{FORMULA}"
    told = [
        {name: "" if each[name] is None else str(each[name]) for name in activities.COLUMNS}
        for each in listed
    ]
    assert [{**row, "reason": ""} for row in rows] == [{**each, "reason": ""} for each in told]
    assert await client.table(f"{ACTIVITIES}.csv?type=fill&symbol=AAPL") == rows[1:3]
    monkeypatch.setattr(files, "MOST_ROWS", 3)
    assert await client.table(f"{ACTIVITIES}.csv") == rows[:3]
    problem(await client.gateway.http.get(f"{ACTIVITIES}.csv?type=x"), 400, "invalid_value", "type")


async def test_a_statement_as_json_and_as_a_file(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a month in which everything was sold again: so no closing price is needed."""
    world, owner = client.front.books.world, client.owner
    await world.book([execution(hold_of(owner, Side.SELL, "6"), "110", minute=2)])
    month = Month.of(utc_now())
    draft = await client.get(f"{STATEMENTS}/{month.text}")
    assert (draft["final"], draft["content_hash"], draft["line_count"]) == (False, None, 5)
    client.watch.now = month.ends_at
    listed = (await client.get(STATEMENTS))["statements"]
    assert [(each["month"], each["final"], each["issued_at"]) for each in listed] == [
        (month.next.text, False, None),
        (month.text, True, None),
    ]
    told = await client.get(f"{STATEMENTS}/{month.text}?page_size=2")
    assert (told["month"], told["final"], told["next_page_token"]) == (
        month.text,
        True,
        f"line-{month.text}-2",
    )
    assert told["closing_cash"] == {"settled": "100005", "unsettled": "98.5", "total": "100103.5"}
    assert (told["sums"]["fees"], told["sums"]["realised_pnl"]) == ("1.5", "100")
    assert (told["opening_positions"], told["closing_positions"]) == ([], [])
    happened = (await client.get(ACTIVITIES))["activities"]
    assert (await client.get(f"{STATEMENTS}/{month.text}"))["lines"] == happened[::-1]
    assert await client.get(f"{STATEMENTS}/{month.text}?page_size=2") == told
    [_, issued] = (await client.get(STATEMENTS))["statements"]
    assert (issued["content_hash"], issued["issued_at"]) == (told["content_hash"], told["issued_at"])

    monkeypatch.setattr(statements, "FILE_ROWS", 2)
    answer = await client.gateway.http.get(f"{STATEMENTS}/{month.text}.csv")
    name = f'attachment; filename="statement-{month.text}.csv"'
    assert answer.headers["content-disposition"] == name
    rows = await client.table(f"{STATEMENTS}/{month.text}.csv")
    assert tuple(rows[0]) == statements.COLUMNS
    assert [row["record"] for row in rows] == [
        "opening_cash",
        "deposit",
        "fill",
        "fill",
        "adjustment",
        "fill",
        "closing_cash",
    ]
    assert [row["reason"] for row in rows if row["reason"]] == [f"'{FORMULA}"]
    opening, *lines, closing = [Decimal(row["net_amount"]) for row in rows]
    assert opening + sum(lines) == closing
    following = await client.table(f"{STATEMENTS}/{month.next.text}.csv")
    assert [row["record"] for row in following] == ["opening_cash", "closing_cash"]


async def test_a_token_of_a_page_is_taken_by_its_own_list_alone(client: Client) -> None:
    await client.front.books.world.move(client.owner, MovementKind.DEPOSIT, "1")
    month = Month.of(utc_now())
    client.watch.now = month.ends_at
    lists = (ACTIVITIES, "/api/v1/ledger", "/api/v1/transfers", STATEMENTS, f"{STATEMENTS}/{month.next.text}")
    of_lines = f"line-{month.text}-1"
    tokens = {path: (await client.get(f"{path}?page_size=1"))["next_page_token"] for path in lists[:-1]}
    details = set[str]()
    for path in lists:
        for of, token in {**tokens, "/lines": of_lines, "/numbers": "1"}.items():
            answer = await client.gateway.http.get(f"{path}?page_size=1&page_token={token}")
            if of == path:
                assert answer.status_code == 200, answer.text
            else:
                problem(answer, 400, "invalid_page_token", "page_token")
                details.add(answer.json()["detail"])
    assert len(details) == 1


async def test_a_file_has_positions_as_the_month_begins_and_ends(client: Client) -> None:
    client.front.quote("AAPL", "120")
    month = Month.of(utc_now())
    answer = await client.gateway.http.get(f"{STATEMENTS}/{month.text}.csv")
    name = f'attachment; filename="statement-{month.text}-draft.csv"'
    assert answer.headers["content-disposition"] == name
    rows = await client.table(f"{STATEMENTS}/{month.text}.csv")
    [position] = [row for row in rows if row["record"] == "closing_position"]
    assert (position["symbol"], position["quantity"], position["cost"]) == ("AAPL", "6", "600")
    assert (position["price"], position["market_value"]) == ("120", "720")


async def test_what_there_is_no_statement_of_has_a_code(client: Client) -> None:
    month, http = Month.of(utc_now()), client.gateway.http
    for ending in ("", ".csv"):
        early = await http.get(f"{STATEMENTS}/{month.before.text}{ending}")
        problem(early, 404, "statement_not_found", "month")
        late = await http.get(f"{STATEMENTS}/{month.next.text}{ending}")
        problem(late, 422, "month_not_begun", "month")
        for wrong in ("2026-13", "x", "2026-11-01", "2026"):
            problem(await http.get(f"{STATEMENTS}/{wrong}{ending}"), 400, "invalid_month", "month")
    problem(await http.get(f"{STATEMENTS}?page_token=x"), 400, "invalid_page_token", "page_token")
    client.watch.now = month.ends_at
    # There is a position, and nobody who knows what it was worth.
    assert (await http.get(f"{STATEMENTS}/{month.text}")).status_code == 503


async def test_parts_of_a_position_over_http(client: Client) -> None:
    http = client.gateway.http
    made = await http.post(VIEWS, json={"name": " Long term ", "percentage": 50})
    assert made.status_code == 201
    [view] = made.json()["views"]
    assert made.headers["location"] == f"{VIEWS}/{view['view_id']}"
    assert view | {"view_id": None, "created_at": None} == {
        "view_id": None,
        "name": "Long term",
        "wanted_quantity": None,
        "wanted_percentage": "50",
        "quantity": "3",
        "total_cost": "300",
        "created_at": None,
    }
    second = (await http.post(VIEWS, json={"name": "Children", "quantity": "2.5"})).json()["views"][1]
    told = await client.get(VIEWS)
    assert (told["quantity"], told["rest"]["quantity"], told["rest"]["view_id"]) == ("6", "0.5", None)
    assert (told["rest"]["name"], told["reduced"]) == ("rest", False)
    place = f"{VIEWS}/{second['view_id']}"
    for _ in range(2):
        merged = await http.post(f"{place}/merge", json={"into": view["view_id"]})
        assert (merged.status_code, merged.json()["views"][0]["quantity"]) == (200, "5.5")
        assert len(merged.json()["views"]) == 1
    for _ in range(2):
        gone = await http.delete(f"{VIEWS}/{view['view_id']}")
        assert (gone.status_code, gone.json()["views"], gone.json()["rest"]["quantity"]) == (200, [], "6")


async def test_what_is_wrong_with_a_part_has_a_code(client: Client) -> None:
    http = client.gateway.http
    for body, code, field in (
        ({"quantity": "0"}, "not_positive", "quantity"),
        ({"quantity": "NaN"}, "invalid_decimal", "quantity"),
        ({"quantity": "0.000000001"}, "too_precise", "quantity"),
        ({"percentage": "101"}, "invalid_percentage", "percentage"),
        ({"percentage": -1}, "not_positive", "percentage"),
        ({}, "quantity_or_percentage", "quantity"),
        ({"quantity": "1", "percentage": "1"}, "quantity_or_percentage", "quantity"),
        ({"name": " ", "quantity": "1"}, "invalid_length", "name"),
        ({"name": "a\tb", "quantity": "1"}, "invalid_characters", "name"),
        ({"quantity": []}, "wrong_type", "quantity"),
    ):
        problem(await http.post(VIEWS, json={"name": "x", **body}), 400, code, field)
    more = await http.post(VIEWS, json={"name": "x", "quantity": "6.1"})
    assert "6 shares" in problem(more, 422, "exceeds_position", "quantity")["detail"]
    problem(await http.post(VIEWS, json={"name": "REST", "quantity": "1"}), 409, "view_name_taken", "name")
    other = "/api/v1/positions/MSFT/views"
    problem(await http.get(other), 404, "position_not_found", "symbol")
    problem(await http.post(other, json={"name": "x", "quantity": "1"}), 404, "position_not_found", "symbol")
    problem(await http.get("/api/v1/positions/nobody's/views"), 404, "unknown_symbol", "symbol")
    problem(await http.delete(f"{VIEWS}/none"), 404, "view_not_found")
    one = (await http.post(VIEWS, json={"name": "x", "quantity": "1"})).json()["views"][0]["view_id"]
    problem(await http.post(f"{VIEWS}/{one}/merge", json={"into": "y"}), 400, "invalid_value", "into")
    problem(await http.post(f"{VIEWS}/{one}/merge", json={"into": one}), 400, "invalid_value", "into")
    stranger = str(uuid7())
    problem(await http.post(f"{VIEWS}/{one}/merge", json={"into": stranger}), 404, "view_not_found", "into")
    assert len((await client.get(VIEWS))["views"]) == 1
