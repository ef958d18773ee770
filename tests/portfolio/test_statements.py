"""Monthly statements: whole, in their order, and never changed, over real books, bars and databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from hub.market_data.v1 import market_data_pb2_grpc
from hub.portfolio.v1 import statements_pb2
from hub_errors import Invalid, NotFound, Refused, Unavailable
from hub_market_data.board import Board
from hub_market_data.seed import INSTRUMENTS
from hub_market_data.store import Catalogue, Seeding
from hub_market_data.usecases.keeping import refresh
from hub_portfolio.domain.month import Month
from hub_portfolio.mapping_statements import line_token, month_token
from hub_position.domain.cash import MovementKind
from hub_position.domain.trade import Side
from hub_postgres import Pool, connect_pool
from hub_rpc import Server, calling_as
from hub_runtime import Address, utc_now
from tests.market_data.house import TABLE_OF_READERS, market_data_rpc
from tests.portfolio.front import NOBODY, Front, portfolio_front
from tests.portfolio.test_benchmark import with_bars
from tests.position.house import House
from tests.position.world import Owner, execution, hold_of
from tests.support.servers import Database
from tests.support.tls import Tls
from tests.support.tokens import TokenUser

# Instruments that are split by one test each, and traded by no other.
SPLIT, LATE, EARLY = "SPLT", "SPLA", "SPEA"


class Watch:
    """The wall's clock, as a test sets it."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Client:
    front: Front
    watch: Watch
    user: TokenUser
    owner: Owner

    @property
    def this(self) -> Month:
        """The month that all is booked in."""
        return Month.of(utc_now())

    def over(self, month: Month) -> None:
        """It is the first moment after it."""
        self.watch.now = month.ends_at

    async def get(self, month: Month | str, **page: Any) -> statements_pb2.GetStatementResponse:
        text = month if isinstance(month, str) else month.text
        with calling_as(self.user.token):
            found: statements_pb2.GetStatementResponse = await self.front.statements.GetStatement(
                statements_pb2.GetStatementRequest(month=text, **page)
            )
        return found

    async def months(self, **page: Any) -> statements_pb2.ListStatementsResponse:
        with calling_as(self.user.token):
            found: statements_pb2.ListStatementsResponse = await self.front.statements.ListStatements(
                statements_pb2.ListStatementsRequest(**page)
            )
        return found

    async def rows(self, table: str) -> list[Any]:
        async with self.front.pool.acquire() as connection:
            statement = f"SELECT * FROM {table} WHERE account_id = $1 ORDER BY 2, 3"
            return list(await connection.fetch(statement, self.owner.account_id))


@pytest.fixture(scope="module")
async def market_database(postgres_server: Any) -> AsyncIterator[Database]:
    made = await postgres_server.create("hub_market_data")
    yield made
    await postgres_server.drop(made)


@pytest.fixture(scope="module")
async def market_pool(market_database: Database) -> AsyncIterator[Pool]:
    login = market_database.runtime
    async with await connect_pool(login.url, login.password, 5, "test") as made:
        symbols = ("SPY", SPLIT, LATE, EARLY)
        await Seeding(made).instruments([replace(INSTRUMENTS[0], symbol=each) for each in symbols])
        yield made


@pytest.fixture(scope="module")
async def market(market_pool: Pool, tls: Tls) -> AsyncIterator[str]:
    """Where market-data answers, with daily closes of SPY."""
    board = Board()
    await refresh(board, catalogue=Catalogue(market_pool), clock=utc_now, market_hours="exchange")
    board.loaded.set()
    register = partial(
        market_data_pb2_grpc.add_MarketDataServiceServicer_to_server, market_data_rpc(board, market_pool)
    )
    files, address = tls.files("market-data"), Address("127.0.0.1", 0)
    async with Server(address, files, TABLE_OF_READERS, [register], drain_s=0, grace_s=0.5) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def client(books: House, pool: Pool, market: str, tls: Tls, watch: Watch) -> AsyncIterator[Client]:
    async with portfolio_front(books, pool, tls, market_data=market, clock=watch) as front:
        user, owner = await books.owner()
        yield Client(front, watch, user, owner)


async def busy(client: Client) -> None:
    """Bought, sold, paid in and out, adjusted and settled."""
    world, owner = client.front.books.world, client.owner
    await world.book([execution(hold_of(owner, Side.BUY, "10", "100", symbol="SPY"), "100", fee="1.5")])
    sell = hold_of(owner, Side.SELL, "4", symbol="SPY")
    await world.book([execution(sell, "110", minute=5, fee="0.5")])
    await world.book([execution(hold_of(owner, Side.BUY, "2", "30", symbol="GONE"), "30", minute=6)])
    await world.move(owner, MovementKind.DEPOSIT, "250")
    await world.move(owner, MovementKind.WITHDRAWAL, "-50")
    await world.move(owner, MovementKind.ADJUSTMENT, "5", actor="admin:x", reason="goodwill")
    await world.settle_trades()


def held(positions: Sequence[statements_pb2.StatementPosition]) -> list[tuple[str, ...]]:
    return [
        (each.symbol, each.quantity, each.total_cost, each.price, each.price_day, each.market_value)
        for each in positions
    ]


async def test_a_month_that_is_over_is_issued_with_everything_and_adds_up(
    client: Client, market_pool: Pool
) -> None:
    await busy(client)
    month = client.this
    last, after = month.last_day - timedelta(days=3), month.next.first_day
    await with_bars(market_pool, days={last: "120.25", after: "130"})
    client.over(month)
    found = await client.get(month)
    told, sums = found.statement, found.statement.sums
    assert (told.month, told.final, told.currency) == (month.text, True, "USD")
    assert told.account_id == str(client.owner.account_id)
    assert told.issued_at.ToDatetime(tzinfo=UTC) == told.ends_at.ToDatetime(tzinfo=UTC) == month.ends_at
    assert (told.opening_cash.total, told.opening_value, list(told.opening_positions)) == ("0", "0", [])
    assert (sums.deposits, sums.withdrawals, sums.adjustments) == ("100250", "-50", "5")
    assert (sums.trades, sums.dividends, sums.other, sums.fees) == ("-622", "0", "0", "2")
    assert (sums.realised_pnl, sums.realised_net) == ("40", "38")
    assert (told.closing_cash.settled, told.closing_cash.unsettled, told.closing_cash.total) == (
        "99583",
        "0",
        "99583",
    )
    assert held(told.closing_positions) == [
        ("GONE", "2", "60", "", "", ""),
        ("SPY", "6", "600", "120.25", last.isoformat(), "721.5"),
    ]
    assert told.closing_value == "100364.5"
    movements = (sums.deposits, sums.withdrawals, sums.adjustments, sums.trades, sums.dividends, sums.other)
    assert sum(map(Decimal, movements)) == Decimal(sums.net_change) == Decimal(told.closing_cash.total)
    cost = sum(Decimal(each.total_cost) for each in told.closing_positions)
    assert cost == Decimal(sums.cost_change)
    assert Decimal(told.closing_cash.total) + cost == 100_205 + Decimal(sums.realised_net)
    assert [line.type for line in found.lines] == [
        "deposit",
        *["fill"] * 3,
        "deposit",
        "withdrawal",
        "adjustment",
        *["settlement"] * 3,
    ]
    assert (told.line_count, found.next_page_token) == (10, "")
    assert (await client.front.books.world.balance(client.owner)).account.cash == 99_583


async def test_pages_of_lines_are_all_there_is_and_the_hash_is_of_what_is_kept(client: Client) -> None:
    await busy(client)
    client.over(client.this)
    whole = await client.get(client.this)
    lines, token = list[Any](), ""
    for _ in range(3):
        page = await client.get(client.this, page_size=4, page_token=token)
        assert page.statement == whole.statement
        lines += page.lines
        token = page.next_page_token
    assert (lines, token) == (list(whole.lines), "")
    for wrong in (
        line_token(client.this, 10),
        line_token(client.this.before, 4),
        month_token(client.this),
        "4",
    ):
        with pytest.raises(Invalid) as refused:
            await client.get(client.this, page_token=wrong)
        assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")
    [kept] = await client.rows("statements")
    texts = [kept["document"], *(row["line"] for row in await client.rows("statement_lines"))]
    assert sha256("".join(f"{text}\n" for text in texts).encode()).hexdigest() == whole.content_hash
    assert kept["content_hash"].hex() == whole.content_hash


async def test_an_issued_statement_never_changes_and_the_next_one_has_what_came_late(client: Client) -> None:
    """Fails where months are cut by the time of a trade."""
    world, owner = client.front.books.world, client.owner
    await world.trade(owner, Side.BUY, "10", "100", minute=0)
    await world.trade(owner, Side.SELL, "10", "120", minute=2)
    month = client.this
    client.over(month)
    issued = await client.get(month)
    late = execution(hold_of(owner, Side.BUY, "10", "200"), "200", minute=1)
    await world.book([late])
    assert (await client.get(month)).SerializeToString(deterministic=True) == issued.SerializeToString(
        deterministic=True
    )
    client.over(month.next)
    found = await client.get(month.next)
    told = found.statement
    assert [(line.type, line.net_amount, line.cost, line.realised_pnl) for line in found.lines] == [
        ("adjustment", "0", "-500", "-500"),
        ("fill", "-2000", "2000", "0"),
    ]
    assert {line.fill.trade_id for line in found.lines} == {str(late.trade.trade_id)}
    assert told.opening_cash == issued.statement.closing_cash
    assert held(told.opening_positions) == held(issued.statement.closing_positions)
    assert (told.opening_value, told.sums.net_change, told.sums.cost_change) == (
        issued.statement.closing_value,
        "-2000",
        "1500",
    )
    assert told.sums.realised_pnl == "-500"
    assert [(each.quantity, each.total_cost) for each in told.closing_positions] == [("10", "1500")]
    assert (await client.get(month)).content_hash == issued.content_hash


async def test_the_running_month_is_a_draft_that_is_never_kept(client: Client) -> None:
    await busy(client)
    client.front.quote("SPY", "130")
    found = await client.get(client.this, page_size=2)
    told = found.statement
    assert (told.final, found.content_hash, told.line_count, len(found.lines)) == (False, "", 10, 2)
    assert held(told.closing_positions)[1] == ("SPY", "6", "600", "130", "", "780")
    assert await client.rows("statements") == []
    await client.front.books.world.move(client.owner, MovementKind.DEPOSIT, "1")
    end = line_token(client.this, 10)
    again = await client.get(client.this, page_size=2, page_token=end)
    assert (again.statement.line_count, [line.type for line in again.lines]) == (11, ["deposit"])
    with pytest.raises(Invalid) as refused:
        await client.get(client.this, page_token=line_token(client.this, 11))
    assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")


async def test_months_without_anything_go_on_from_those_before(client: Client) -> None:
    await client.front.books.world.move(client.owner, MovementKind.DEPOSIT, "1")
    third = client.this.next.next
    client.over(third)
    found = await client.get(third)
    assert (found.statement.opening_cash.total, found.statement.closing_cash.total) == ("100001", "100001")
    assert (found.statement.sums.net_change, found.statement.line_count) == ("0", 0)
    assert [row["month"] for row in await client.rows("statements")] == [
        client.this.first_day,
        client.this.next.first_day,
        third.first_day,
    ]


async def test_which_months_there_are(client: Client) -> None:
    client.over(client.this.next)
    await client.get(client.this)
    first = await client.months(page_size=2)
    assert [(each.month, each.final) for each in first.statements] == [
        (client.this.next.next.text, False),
        (client.this.next.text, True),
    ]
    assert not any(each.content_hash or each.HasField("issued_at") for each in first.statements)
    rest = await client.months(page_size=2, page_token=first.next_page_token)
    [issued] = rest.statements
    assert (issued.month, issued.final, rest.next_page_token) == (client.this.text, True, "")
    assert issued.content_hash == (await client.get(client.this)).content_hash
    assert issued.issued_at.ToDatetime(tzinfo=UTC) == client.watch.now
    for month in (client.this, client.this.before, client.this.next.next.next):
        with pytest.raises(Invalid) as refused:
            await client.months(page_token=month_token(month))
        assert (refused.value.code, refused.value.field) == ("invalid_page_token", "page_token")


async def test_what_there_is_no_statement_of_has_a_code(client: Client) -> None:
    refusals = (
        (client.this.before, NotFound, "statement_not_found"),
        (client.this.next, Refused, "month_not_begun"),
        ("2026-13", Invalid, "invalid_month"),
        ("2026-11-01", Invalid, "invalid_month"),
        ("", Invalid, "invalid_month"),
    )
    for month, kind, code in refusals:
        with pytest.raises(kind) as refused:
            await client.get(month)
        assert (refused.value.code, refused.value.field) == (code, "month")
    for page, code in (({"page_token": "x"}, "invalid_page_token"), ({"page_size": 101}, "too_many")):
        with pytest.raises(Invalid) as invalid:
            await client.get(client.this, **page)
        assert invalid.value.code == code
        with pytest.raises(Invalid) as invalid:
            await client.months(**page)
        assert invalid.value.code == code
    assert await client.rows("statements") == []


async def test_an_account_that_nobody_has_touched_is_opened(client: Client) -> None:
    stranger = client.front.books.signer.user()
    with calling_as(stranger.token):
        found = await client.front.statements.ListStatements(statements_pb2.ListStatementsRequest())
    assert [(each.month, each.final) for each in found.statements] == [(client.this.text, False)]


async def test_two_processes_that_issue_at_once_answer_the_same(
    client: Client, portfolio_database: Database, market: str, tls: Tls
) -> None:
    """Their clocks differ, and so would what they drew up."""
    await busy(client)
    month, login = client.this, portfolio_database.runtime
    client.over(month.next)

    def later() -> datetime:
        return client.watch.now + timedelta(seconds=7)

    async with (
        await connect_pool(login.url, login.password, size=4) as pool,
        portfolio_front(client.front.books, pool, tls, market_data=market, clock=later) as other,
    ):
        second = Client(other, client.watch, client.user, client.owner)
        answers = await asyncio.gather(*(each.get(month.next) for each in (client, second) * 3))
        assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
        assert await client.get(month) == await second.get(month)
    rows = await client.rows("statements")
    assert [row["month"] for row in rows] == [month.first_day, month.next.first_day]
    assert len(await client.rows("statement_lines")) == 10


async def test_while_a_peer_is_down_nothing_is_issued(
    client: Client, pool: Pool, market: str, tls: Tls
) -> None:
    await busy(client)
    month = client.this
    client.over(month)
    for market_data, position in ((NOBODY, ""), (market, NOBODY)):
        async with portfolio_front(
            client.front.books, pool, tls, clock=client.watch, market_data=market_data, position=position
        ) as lonely:
            with pytest.raises(Unavailable):
                await Client(lonely, client.watch, client.user, client.owner).get(month)
    assert await client.rows("statements") == []
    assert await client.rows("statement_lines") == []
    issued = await client.get(month)
    front = portfolio_front(client.front.books, pool, tls, clock=client.watch, position=NOBODY)
    async with front as lonely:
        assert await Client(lonely, client.watch, client.user, client.owner).get(month) == issued


async def test_the_return_is_of_the_valuations_of_the_month(client: Client) -> None:
    month, account = client.this, client.owner.account_id

    async def close(day: date, growth: str) -> None:
        async with client.front.pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO equity_days VALUES ($1, $2, $3, 1, 1, 1, $4)",
                account,
                day,
                datetime(day.year, day.month, day.day, 21, tzinfo=UTC),
                Decimal(growth),
            )

    before, within, after = month.before.last_day, month.last_day, month.next.first_day
    await close(before, "2")
    await close(within, "2.1")
    await close(after, "9")
    client.over(month)
    told = (await client.get(month)).statement
    assert (told.return_percent, told.return_from, told.return_until) == (
        "5.00",
        before.isoformat(),
        within.isoformat(),
    )
    client.over(month.next)
    told = (await client.get(month.next)).statement
    assert (told.return_percent, told.return_until) == ("328.57", after.isoformat())


async def test_the_database_refuses_to_change_what_was_issued(client: Client) -> None:
    await busy(client)
    client.over(client.this)
    issued = await client.get(client.this)
    account, month = client.owner.account_id, client.this.first_day
    changes = (
        "UPDATE statements SET document = '{}' WHERE account_id = $1 AND month = $2",
        "DELETE FROM statements WHERE account_id = $1 AND month = $2",
        "UPDATE statement_lines SET line = '{}' WHERE account_id = $1 AND month = $2",
        "DELETE FROM statement_lines WHERE account_id = $1 AND month = $2",
        "INSERT INTO statement_lines VALUES ($1, $2, 11, '{}')",
        "INSERT INTO statement_lines VALUES ($1, $2, 1, '{}')",
        "INSERT INTO statements VALUES ($1, $2::date + interval '1 month', now(), 0, '{}', 1, sha256('x'))",
    )
    async with client.front.pool.acquire() as connection:
        for change in changes:
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await connection.execute(change, account, month)
    assert await client.get(client.this) == issued


async def test_a_statement_is_nobody_elses(client: Client) -> None:
    await busy(client)
    client.over(client.this)
    await client.get(client.this)
    other, owner = await client.front.books.owner()
    found = await Client(client.front, client.watch, other, owner).get(client.this)
    assert (found.statement.account_id, found.statement.line_count) == (str(owner.account_id), 1)
