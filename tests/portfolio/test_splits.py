"""A split in what portfolios tell: statements before and over it, what was worth how much, and the files."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from hub.portfolio.v1 import history_pb2, statements_pb2
from hub.position.v1 import activities_pb2
from hub_gateway import activities as files
from hub_gateway import render_statements, statements
from hub_position.domain.actions import ActionType, CorporateAction
from hub_position.domain.cash import MovementKind
from hub_postgres import Pool
from hub_runtime import uuid7
from tests.portfolio import test_statements as issuing
from tests.portfolio.front import Front
from tests.portfolio.street import MONDAY, OPENS, TUESDAY, WEDNESDAY, Street, at
from tests.portfolio.test_benchmark import with_bars
from tests.portfolio.test_statements import EARLY, LATE, SPLIT, Client, held
from tests.position.acting import apply_to_all, bought, new_symbol, sold, split, traded
from tests.position.world import START

market_database, market_pool, market = issuing.market_database, issuing.market_pool, issuing.market
watch, client = issuing.watch, issuing.client


def explained(found: statements_pb2.GetStatementResponse) -> None:
    """From the opening through the lines to the closing, by what a reader of them sees."""
    shares: dict[str, Decimal] = {}
    for each in found.statement.opening_positions:
        shares[each.symbol] = Decimal(each.quantity)
    for line in map(render_statements.activity, found.lines):
        if line.symbol is None:
            continue
        more = Decimal(line.quantity_after or 0) - Decimal(line.quantity_before or 0)
        if line.type == "fill":
            more += Decimal(line.quantity or 0) * (1 if line.side == "BUY" else -1)
        shares[line.symbol] = shares.get(line.symbol, Decimal(0)) + more
    closing = {each.symbol: Decimal(each.quantity) for each in found.statement.closing_positions}
    assert {symbol: each for symbol, each in shares.items() if each} == closing


async def test_a_month_before_a_split_has_the_shares_and_the_closes_of_then(
    client: Client, market_pool: Pool
) -> None:
    """It is asked for after the split. Fails where old shares are counted by what became of them, or meet a
    price that was adjusted."""
    world, owner, symbol, month = client.front.books.world, client.owner, SPLIT, client.this
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    last, after = month.last_day - timedelta(days=3), month.next.first_day + timedelta(days=2)
    second_last = month.next.last_day - timedelta(days=3)
    await with_bars(market_pool, days={last: "120", after: "30", second_last: "32"}, symbol=symbol)
    await market_pool.execute(
        "INSERT INTO corporate_actions (symbol, ex_date, type, ratio) VALUES ($1, $2, 'SPLIT', 4)",
        symbol,
        after,
    )
    await begin_at(client, month.ends_at)
    await apply_to_all(world, opening(symbol, "4", after))
    await traded(world, owner, sold(owner, symbol, "6", "31", minute=minutes_to(after) + 1000))
    client.over(month.next)
    found = await client.get(month)
    assert held(found.statement.closing_positions) == [
        (symbol, "10", "1000", "120", last.isoformat(), "1200")
    ]
    second = await client.get(month.next)
    assert [(line.type, line.ratio) for line in second.lines] == [
        ("deposit", ""),
        ("split", "4"),
        ("fill", ""),
    ]
    assert held(second.statement.opening_positions) == held(found.statement.closing_positions)
    assert held(second.statement.closing_positions) == [
        (symbol, "34", "850", "32", second_last.isoformat(), "1088")
    ]
    assert (second.statement.sums.cost_change, second.statement.sums.other) == ("-150", "0")
    explained(found)
    explained(second)


def opening(symbol: str, ratio: str, day: date) -> CorporateAction:
    """Of the trading day that is the first with other shares."""
    return split(symbol, ratio, minute=minutes_to(day))


def minutes_to(day: date) -> int:
    return (datetime.combine(day, OPENS) - START) // timedelta(minutes=1)


async def test_a_split_of_the_last_day_that_was_applied_after_the_month_meets_old_shares(
    client: Client, market_pool: Pool
) -> None:
    """The close is of new ones. Fails where both are multiplied as they are."""
    world, owner, month = client.front.books.world, client.owner, client.this
    last = month.last_day
    await traded(world, owner, bought(owner, LATE, "10", "100", minute=1))
    await with_bars(market_pool, days={last: "30", month.next.last_day: "32"}, symbol=LATE)
    await begin_at(client, month.ends_at)
    await apply_to_all(world, opening(LATE, "4", last))
    client.over(month.next)
    found = await client.get(month)
    assert held(found.statement.closing_positions) == [(LATE, "10", "1000", "120", last.isoformat(), "1200")]
    second = await client.get(month.next)
    assert held(second.statement.opening_positions) == held(found.statement.closing_positions)
    assert held(second.statement.closing_positions) == [
        (LATE, "40", "1000", "32", month.next.last_day.isoformat(), "1280")
    ]


async def test_new_shares_meet_a_close_from_before_the_split(client: Client, market_pool: Pool) -> None:
    """The market's clock was ahead, or nobody has traded it since."""
    world, owner, month = client.front.books.world, client.owner, client.this
    day = month.last_day - timedelta(days=2)
    await traded(world, owner, bought(owner, EARLY, "9", "100", minute=1))
    await apply_to_all(world, opening(EARLY, "0.33333333", day - timedelta(days=3)))
    await with_bars(market_pool, days={day: "120"}, symbol=EARLY)
    await apply_to_all(world, opening(EARLY, "2", day + timedelta(days=1)))
    client.over(month)
    found = await client.get(month)
    assert held(found.statement.closing_positions) == [
        (EARLY, "5.99999994", "900", "60", day.isoformat(), "359.9999964")
    ]


async def begin_at(client: Client, moment: datetime) -> None:
    """What is posted after a posting of that time is of it as well."""
    await client.front.books.world.pool.execute(
        "INSERT INTO postings (transaction_id, account_id, kind, ledger_account, amount, posted_at)"
        " SELECT $1, $2, 'deposit', line, amount, $3"
        " FROM (VALUES ('external', -1), ('cash_settled', 1)) AS new (line, amount)",
        uuid7(),
        client.owner.account_id,
        moment,
    )


async def test_what_comes_late_over_a_split_is_explained_in_the_month_it_came_in(client: Client) -> None:
    world, owner, symbol, month = client.front.books.world, client.owner, new_symbol(), client.this
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, split(symbol, "0.33333333", minute=10))
    client.over(month)
    issued = await client.get(month)
    explained(issued)
    await traded(world, owner, bought(owner, symbol, "5", "100", minute=5))
    await apply_to_all(world, split(symbol, "7", minute=7))
    await traded(world, owner, sold(owner, symbol, "50", "50", minute=20))
    await world.move(owner, MovementKind.DEPOSIT, "1")
    client.over(month.next)
    found = await client.get(month.next)
    assert sorted(line.type for line in found.lines) == [
        *["adjustment"] * 2,
        "deposit",
        *["fill"] * 2,
        "split",
    ]
    explained(found)
    [short] = found.statement.closing_positions
    assert Decimal(short.quantity) == Decimal(105) * Decimal("0.33333333") - 50
    assert await client.get(month) == issued


async def test_cash_in_the_place_of_a_part_of_a_share_is_a_sum_of_its_own(client: Client) -> None:
    world, owner, symbol = client.front.books.world, client.owner, new_symbol()
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, split(symbol, "0.25", minute=10, lieu="480"))
    client.over(client.this)
    found = await client.get(client.this)
    told = found.statement
    assert held(told.closing_positions) == [(symbol, "2", "800", "", "", "")]
    assert (told.sums.other, told.sums.dividends, told.sums.adjustments) == ("240", "0", "0")
    assert (told.sums.realised_pnl, told.sums.net_change) == ("40", "99240")
    assert Decimal(told.closing_cash.total) + 800 == 100_000 + Decimal(told.sums.realised_pnl)
    explained(found)


async def test_a_draft_after_a_split_takes_an_old_price_for_new_shares(client: Client) -> None:
    """The quote is of now; the split takes effect after it."""
    world, owner, symbol = client.front.books.world, client.owner, new_symbol()
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    client.front.quote(symbol, "120")
    coming = CorporateAction(
        uuid7(), symbol, ActionType.SPLIT, Decimal(4), client.watch.now + timedelta(days=1)
    )
    await apply_to_all(world, coming)
    found = await client.get(client.this)
    assert held(found.statement.closing_positions) == [(symbol, "40", "1000", "30", "", "1200")]
    explained(found)


async def test_a_split_is_no_return(front: Front) -> None:
    """Neither while the last price is of old shares, nor when the first of new ones comes."""
    street, world = Street(front), front.books.world
    user, owner = await front.books.owner()
    symbol = "BTC-USD"
    await traded(world, owner, bought(owner, symbol, "100", "400", minute=1))
    await street.heard(owner)
    await street.step(at(MONDAY), **{symbol: "400"})
    action = CorporateAction(uuid7(), symbol, ActionType.SPLIT, Decimal(4), at(TUESDAY, 14, 30))
    await apply_to_all(world, action)
    await street.heard(owner, version=2**41)
    await street.step(at(MONDAY, 20), **{symbol: "400"})
    await street.step(at(TUESDAY, 16), **{symbol: "100"})
    await traded(world, owner, bought(owner, symbol, "20", "100", minute=60 * 24 * 60))
    await street.heard(owner, version=2**42)
    await street.step(at(WEDNESDAY), **{symbol: "110"})
    points = await street.history(user, history_pb2.PERIOD_1W)
    assert [(point.equity, point.return_percent) for point in points] == [
        ("100000", "0.00"),
        ("100000", "0.00"),
        ("104200", "4.20"),
    ]


async def test_a_split_is_in_the_files(client: Client) -> None:
    world, owner, symbol = client.front.books.world, client.owner, new_symbol()
    await traded(world, owner, bought(owner, symbol, "10", "100", minute=1))
    await apply_to_all(world, split(symbol, "4", minute=10))
    found = await client.get(client.this)
    line: activities_pb2.Activity = found.lines[-1]
    told = render_statements.activity(line)
    assert (told.type, told.symbol, told.ratio, told.side, told.quantity) == (
        "split",
        symbol,
        "4",
        None,
        None,
    )
    row = dict(zip(files.COLUMNS, files.row(told), strict=True))
    assert {name: str(row[name]) for name in ("type", "ratio", "quantity_before", "quantity_after")} == {
        "type": "split",
        "ratio": "4",
        "quantity_before": "10",
        "quantity_after": "40",
    }
    cells = dict(zip(statements.COLUMNS, statements._line(told), strict=True))
    assert [str(cells[name]) for name in ("record", "ratio", "quantity_after", "cost")] == [
        "split",
        "4",
        "40",
        "0",
    ]
