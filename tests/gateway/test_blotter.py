"""The trade blotter: in pages, and as a file that is written while it is read."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from hub.order.v1 import order_pb2
from hub_errors import Invalid, Unavailable
from hub_gateway import blotter, files
from hub_gateway.csv_text import csv_rows
from tests.gateway.canned import Peers, canned
from tests.gateway.examples import filled
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway, running_gateway
from tests.support.servers import Login
from tests.support.tls import Tls
from tests.support.waiting import eventually

LIST = "/api/v1/executions"
FILE = "/api/v1/executions.csv"
ALL = "/api/v1/admin/executions.csv"
FILTERS = "symbol=AAPL&from=2026-11-24&before=2026-11-25T12:00:00Z"


def entry(number: int = 1, **change: Any) -> order_pb2.BlotterEntry:
    found = filled(order_pb2.BlotterEntry())
    found.side, found.type = order_pb2.SIDE_SELL, order_pb2.ORDER_TYPE_LIMIT
    found.execution.quantity, found.execution.price = str(number), "0.1"
    for name, value in change.items():
        setattr(found, name, value)
    return found


def pages(*sizes: int) -> Any:
    """Pages of so many rows, each told by the token of the one before."""

    def answer(asked: order_pb2.ListExecutionsRequest) -> order_pb2.ListExecutionsResponse:
        index = int(asked.page_token or "0")
        rows = [entry(number + 1) for number in range(sizes[index])]
        token = str(index + 1) if index + 1 < len(sizes) else ""
        return order_pb2.ListExecutionsResponse(entries=rows, next_page_token=token)

    return answer


@pytest.fixture
async def peers(tls: Tls) -> AsyncIterator[Peers]:
    async with canned(tls) as made:
        made.answers = {"ListExecutions": pages(2)}
        yield made


@pytest.fixture
async def gateway(tls: Tls, redis_server: Login, peers: Peers) -> AsyncIterator[Gateway]:
    async with running_gateway(tls, redis_server.dsn, targets=peers.targets) as gateway:
        gateway.http.headers.update(gateway.bearer())
        yield gateway


def answered(route: str) -> float:
    labels = {"route": route, "method": "GET", "status": "200"}
    return REGISTRY.get_sample_value("hub_gateway_http_requests_total", labels) or 0.0


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_executions_come_in_pages_with_everything_about_them(gateway: Gateway, peers: Peers) -> None:
    one = entry(3)
    peers.answers["ListExecutions"] = order_pb2.ListExecutionsResponse(entries=[one], next_page_token="more")
    answer = await gateway.http.get(f"{LIST}?{FILTERS}&page_size=1&page_token=abc")
    assert answer.status_code == 200, answer.text
    [told] = answer.json()["executions"]
    assert answer.json()["next_page_token"] == "more"
    assert told["execution_id"] == one.execution.execution_id
    assert (told["side"], told["type"], told["symbol"]) == ("SELL", "LIMIT", "AAPL")
    assert (told["quantity"], told["price"], told["value"]) == ("3", "0.1", "0.3")
    assert (told["venue"], told["venue_execution_id"]) == (one.venue, one.venue_execution_id)
    assert None not in told.values()
    [asked] = peers.asked["ListExecutions"]
    assert (asked.page_size, asked.page_token, asked.symbol) == (1, "abc", "AAPL")
    assert asked.executed_from.ToDatetime(UTC) == datetime(2026, 11, 24, tzinfo=UTC)
    assert asked.executed_before.ToDatetime(UTC) == datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert not asked.all_accounts


async def test_what_is_not_settled_yet_says_so(gateway: Gateway, peers: Peers) -> None:
    one = entry()
    one.ClearField("settled_at")
    peers.answers["ListExecutions"] = order_pb2.ListExecutionsResponse(entries=[one])
    [told] = (await gateway.http.get(LIST)).json()["executions"]
    assert told["settled_at"] is None
    [row] = rows(await gateway.http.get(FILE))
    assert row["settled_at"] == ""


@pytest.mark.parametrize("path", [LIST, FILE, ALL])
@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("symbol=a", "invalid_symbol", "symbol"),
        ("from=x", "invalid_value", "from"),
        ("from=2026-11-25&before=2026-11-24", "inverted_range", "before"),
        ("colour=red", "unknown_parameter", None),
    ],
)
async def test_a_filter_that_makes_no_sense(
    lonely: Gateway, path: str, query: str, code: str, field: str | None
) -> None:
    problem(await lonely.http.get(f"{path}?{query}", headers=lonely.bearer()), 400, code, field)


async def test_the_file_has_a_row_of_names_and_all_pages(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListExecutions"] = pages(200, 200, 3)
    answer = await gateway.http.get(f"{FILE}?{FILTERS}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="executions.csv"'
    found = rows(answer)
    assert len(found) == 403
    assert tuple(found[0]) == blotter.COLUMNS
    assert (found[402]["quantity"], found[402]["value"], found[402]["side"]) == ("3", "0.3", "SELL")
    assert answer.content.count(b"\r\n") == 404
    assert [each.page_token for each in peers.asked["ListExecutions"]] == ["", "1", "2"]
    assert {each.symbol for each in peers.asked["ListExecutions"]} == {"AAPL"}
    assert "" not in peers.tokens


async def test_an_empty_blotter_is_a_file_of_names(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListExecutions"] = pages(0)
    answer = await gateway.http.get(FILE)
    assert answer.text == ",".join(blotter.COLUMNS) + "\r\n"


async def test_a_file_is_bounded(gateway: Gateway, peers: Peers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_ROWS", 4)
    peers.answers["ListExecutions"] = pages(2, 2, 2)
    assert len(rows(await gateway.http.get(FILE))) == 4
    assert len(peers.asked["ListExecutions"]) == 2


async def test_a_file_that_breaks_off_does_not_look_whole(gateway: Gateway, peers: Peers) -> None:
    good = pages(2, 2)

    def answer(asked: order_pb2.ListExecutionsRequest) -> order_pb2.ListExecutionsResponse:
        if asked.page_token:
            raise Unavailable("Away.", code="database_unavailable")
        found: order_pb2.ListExecutionsResponse = good(asked)
        return found

    peers.answers["ListExecutions"] = answer
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.http.get(FILE)


async def test_a_file_may_take_longer_than_a_request(tls: Tls, redis_server: Login, peers: Peers) -> None:
    good = pages(1, 1)

    def answer(asked: order_pb2.ListExecutionsRequest) -> order_pb2.ListExecutionsResponse:
        if not asked.page_token:  # the second page is late
            peers.may_answer.clear()
            asyncio.get_running_loop().call_later(1.5, peers.may_answer.set)
        found: order_pb2.ListExecutionsResponse = good(asked)
        return found

    peers.answers["ListExecutions"] = answer
    targets = peers.targets
    async with running_gateway(tls, redis_server.dsn, targets=targets, request_timeout_s=1.0) as gateway:
        assert len(rows(await gateway.http.get(FILE, headers=gateway.bearer()))) == 2


async def test_a_file_that_nobody_reads_is_not_written_to_its_end(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListExecutions"] = lambda _: order_pb2.ListExecutionsResponse(
        entries=[entry()], next_page_token="more"
    )
    before = answered(FILE)
    async with (
        httpx.AsyncClient(base_url=gateway.url, trust_env=False) as http,
        http.stream("GET", FILE, headers=gateway.bearer()) as answer,
    ):
        await anext(answer.aiter_bytes())
    await eventually(lambda: answered(FILE) > before)
    assert len(peers.asked["ListExecutions"]) < files.MOST_ROWS


async def test_what_is_refused_before_the_first_row_is_a_problem(gateway: Gateway, peers: Peers) -> None:
    peers.answers["ListExecutions"] = Invalid("Not one.", code="invalid_value", field="from")
    problem(await gateway.http.get(FILE), 400, "invalid_value", "from")


async def test_the_head_of_a_file(gateway: Gateway) -> None:
    answer = await gateway.http.head(FILE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize("role", ["admin", "support"])
async def test_administrators_and_support_read_the_executions_of_all(
    gateway: Gateway, peers: Peers, role: str
) -> None:
    answer = await gateway.http.get(ALL, headers=gateway.bearer(roles=("user", role)))
    assert len(rows(answer)) == 2
    assert [each.all_accounts for each in peers.asked["ListExecutions"]] == [True]


async def test_nobody_else_does(gateway: Gateway, peers: Peers) -> None:
    problem(await gateway.http.get(ALL), 403, "role_required")
    assert not peers.asked


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1", '=HYPERLINK("http://x","y")']
)
def test_what_a_spreadsheet_would_run_is_made_a_text(name: str) -> None:
    [read] = csv.reader(io.StringIO(csv_rows([["before", name]]).decode(), newline=""))
    assert read == ["before", f"'{name}"]


async def test_the_name_of_an_order_is_no_formula_in_the_file(gateway: Gateway, peers: Peers) -> None:
    one = entry(client_order_id="=1+1")
    peers.answers["ListExecutions"] = order_pb2.ListExecutionsResponse(entries=[one])
    [row] = rows(await gateway.http.get(FILE))
    assert row["client_order_id"] == "'=1+1"


def test_a_number_is_no_formula() -> None:
    assert csv_rows([[Decimal("-1.50"), Decimal(3)]]) == b"-1.5,3\r\n"


def test_what_would_break_a_row_is_quoted() -> None:
    cells = ["a,b", 'say "x"', "two\r\nlines", "plain", "é", ""]
    assert csv_rows([cells]) == '"a,b","say ""x""","two\r\nlines",plain,é,\r\n'.encode()
    [read] = csv.reader(io.StringIO(csv_rows([cells]).decode(), newline=""))
    assert read == cells
