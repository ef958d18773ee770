"""The board: what streams are told, and how little a slow one holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_market_data.board import Board, Snapshot, Subscription, Update
from hub_market_data.domain.calendars import read_extended_hours, read_hours, sessions_of
from hub_market_data.domain.ticks import Quote, conflated
from hub_market_data.exchange import XNYS
from hub_market_data.seed import INSTRUMENTS
from tests.market_data.prices import CALENDARS, NOON, open_board, quote

CENTS = st.integers(100, 10_000).map(lambda cents: Decimal(cents) / 100)


async def snapshot(subscription: Subscription) -> Snapshot:
    news = await subscription.next(timeout_s=5)
    assert isinstance(news, Snapshot)
    return news


async def update(subscription: Subscription) -> Update:
    news = await subscription.next(timeout_s=5)
    assert isinstance(news, Update)
    return news


@given(prices=st.lists(st.tuples(CENTS, CENTS), min_size=1, max_size=30))
def test_a_conflated_quote_is_the_newest_with_the_lowest_ask_and_highest_bid(
    prices: list[tuple[Decimal, Decimal]],
) -> None:
    unread: Quote | None = None
    for seq, (bid, ask) in enumerate(prices, start=1):
        unread = conflated(unread, quote(seq=seq, bid=str(bid), ask=str(ask)))
    assert unread is not None
    assert (unread.seq, unread.bid, unread.ask) == (len(prices), *prices[-1])
    assert unread.high_bid == max(bid for bid, _ in prices)
    assert unread.low_ask == min(ask for _, ask in prices)


async def test_the_first_message_is_a_snapshot_and_then_only_what_is_new_follows() -> None:
    board = open_board()
    board.publish([quote(seq=1), quote("IBM", seq=1)], NOON)
    with board.subscribed() as subscription:
        first = await snapshot(subscription)
        assert [instrument.symbol for instrument in first.instruments] == [
            "AAPL",
            "FB",
            "GOOG",
            "IBM",
            "MSFT",
        ]
        assert first.epoch == 1
        assert {quote.symbol for quote in first.quotes} == {"AAPL", "IBM"}
        board.publish([quote(seq=2)], NOON)
        assert [quote.position for quote in (await update(subscription)).quotes] == [(1, 2)]


async def test_a_reader_that_does_not_read_holds_one_quote_of_each_symbol() -> None:
    board = open_board()
    with board.subscribed() as slow:
        await snapshot(slow)
        for seq in range(1, 5001):
            ask = "90.00" if seq == 2500 else "100.01"
            bid = "110.00" if seq == 2600 else "99.99"
            board.publish([quote(seq=seq, bid=bid, ask=ask), quote("IBM", seq=seq)], NOON)
        assert len(slow._unread) == 2
        apple, ibm = (await update(slow)).quotes
        assert (apple.seq, apple.low_ask, apple.high_bid) == (5000, Decimal("90.00"), Decimal("110.00"))
        assert (ibm.seq, ibm.low_ask) == (5000, ibm.ask)


async def test_streams_do_not_share_what_they_have_missed() -> None:
    board = open_board()
    with board.subscribed() as quick, board.subscribed() as slow:
        await snapshot(quick)
        await snapshot(slow)
        board.publish([quote(seq=1, ask="90.00")], NOON)
        await update(quick)
        board.publish([quote(seq=2, ask="100.00")], NOON)
        assert [quote.low_ask for quote in (await update(quick)).quotes] == [Decimal("100.00")]
        assert [quote.low_ask for quote in (await update(slow)).quotes] == [Decimal("90.00")]


async def test_a_stream_gets_only_the_symbols_it_asked_for() -> None:
    board = open_board()
    with board.subscribed({"IBM"}) as subscription:
        await snapshot(subscription)
        board.publish([quote("AAPL"), quote("IBM")], NOON)
        assert [quote.symbol for quote in (await update(subscription)).quotes] == ["IBM"]


async def test_nothing_new_is_a_sign_of_life_with_the_market_time() -> None:
    board = open_board()
    with board.subscribed() as subscription:
        await snapshot(subscription)
        assert await subscription.next(timeout_s=0) == Update(quotes=(), market_time=NOON)


async def test_a_new_epoch_starts_streams_over_and_keeps_the_prices_they_missed() -> None:
    board = open_board(epoch=1)
    with board.subscribed() as subscription:
        await snapshot(subscription)
        board.publish([quote(epoch=1, seq=9, ask="90.00")], NOON)
        board.begin(2, NOON)
        board.publish([quote(epoch=2, seq=1, ask="100.00")], NOON)
        again = await snapshot(subscription)
        assert again.epoch == 2
        assert [(quote.position, quote.low_ask) for quote in again.quotes] == [((2, 1), Decimal("90.00"))]


async def test_a_changed_catalogue_starts_streams_over_and_an_equal_one_does_not() -> None:
    board = open_board()
    with board.subscribed() as subscription:
        await snapshot(subscription)
        board.catalogue(INSTRUMENTS, (), calendars=CALENDARS)
        assert await subscription.next(timeout_s=0) == Update(quotes=(), market_time=NOON)
        board.catalogue(INSTRUMENTS[:2], (), calendars=CALENDARS)
        assert [instrument.symbol for instrument in (await snapshot(subscription)).instruments] == [
            "AAPL",
            "FB",
        ]


def test_older_quotes_and_unknown_symbols_are_not_taken() -> None:
    board = open_board(epoch=2)
    board.publish([quote(epoch=2, seq=5), quote("NOPE")], NOON)
    board.publish([quote(epoch=2, seq=5, ask="1.00"), quote(epoch=1, seq=99, ask="2.00")], NOON)
    assert {symbol: known.position for symbol, known in board.quotes.items()} == {"AAPL": (2, 5)}
    assert board.quotes["AAPL"].ask == Decimal("100.01")


def test_a_closed_stream_is_forgotten() -> None:
    board = Board()
    with board.subscribed():
        assert board.streams == 1
    assert board.streams == 0


SESSION = sessions_of(XNYS, [date(2026, 3, 2)], read_hours([("09:30", "16:00")]))[0]


def new_york(clock: str, day: int = 2) -> datetime:
    return datetime.fromisoformat(f"2026-03-{day:02}T{clock}-05:00").astimezone(UTC)


def exchange_board(extended_hours: str | None) -> Board:
    """Of Monday 2 March, with a price of Apple."""
    hours = None if extended_hours is None else read_extended_hours(extended_hours)
    board = Board(extended_hours=hours)
    instruments = [replace(each, calendar="XNYS") for each in INSTRUMENTS]
    board.catalogue(instruments, [SESSION], calendars=[XNYS])
    board.publish([quote()], None)
    return board


@pytest.mark.parametrize(
    ("at", "by_the_session", "extended"),
    [
        (new_york("03:59"), False, False),
        (new_york("04:00"), False, True),
        (new_york("09:29"), False, True),
        (new_york("09:30"), True, True),
        (new_york("16:00"), False, True),
        (new_york("19:59"), False, True),
        (new_york("20:00"), False, False),
        (new_york("12:00", day=1), False, False),  # Sunday
    ],
)
def test_prices_count_in_the_session_and_in_extended_hours_where_there_are_some(
    at: datetime, *, by_the_session: bool, extended: bool
) -> None:
    assert exchange_board(None).takes("AAPL", at) is by_the_session
    assert exchange_board("04:00-20:00").takes("AAPL", at) is extended


def test_the_catalogue_is_outdated_when_a_session_ends_and_not_for_one_that_had_ended() -> None:
    board = exchange_board(None)
    board.publish([], new_york("15:59"))
    assert not board.outdated.is_set()
    board.publish([], new_york("16:00"))
    assert board.outdated.is_set()
    board.outdated.clear()
    board.catalogue(board.instruments.values(), [SESSION], calendars=[XNYS])
    board.publish([], new_york("16:01"))
    assert not board.outdated.is_set()
