"""The service's RPCs over real gRPC with certificates."""

from __future__ import annotations

from decimal import Decimal

import pytest
from grpc import aio

from hub.market_data.v1 import market_data_pb2 as pb
from hub.market_data.v1 import market_data_pb2_grpc
from hub_errors import Denied, Invalid, Unavailable
from hub_market_data.board import Board
from hub_market_data.rpc import SIGN_OF_LIFE_S, silence_s
from hub_rpc import reading
from tests.market_data.conftest import served
from tests.market_data.prices import NOON, open_board, quote
from tests.support.tls import Tls


def stub(channel: aio.Channel) -> market_data_pb2_grpc.MarketDataServiceStub:
    return market_data_pb2_grpc.MarketDataServiceStub(channel)


async def test_instruments_are_listed_in_symbol_order(tls: Tls) -> None:
    async with served(open_board(), tls, "gateway") as channel:
        answer = await stub(channel).ListInstruments(pb.ListInstrumentsRequest())
    assert [instrument.symbol for instrument in answer.instruments] == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    apple = answer.instruments[0]
    assert (apple.name, apple.asset_class, apple.currency) == ("Apple Inc.", pb.ASSET_CLASS_STOCK, "USD")
    assert (apple.tick_size, apple.lot_size, apple.fractionable, apple.tradable) == ("0.01", "1", True, True)


async def test_quotes_come_in_the_order_asked_for_and_unknown_symbols_apart(tls: Tls) -> None:
    board = open_board()
    board.publish([quote("AAPL", seq=3), quote("MSFT", seq=4)], NOON)
    async with served(board, tls, "gateway") as channel:
        request = pb.GetQuotesRequest(symbols=["MSFT", "NOPE", "AAPL", "aapl", "MSFT"])
        answer = await stub(channel).GetQuotes(request)
    assert [(found.symbol, found.seq) for found in answer.quotes] == [("MSFT", 4), ("AAPL", 3)]
    assert list(answer.unknown) == ["NOPE", "aapl"]
    assert (answer.quotes[1].bid, answer.quotes[1].ask, answer.quotes[1].last) == ("99.99", "100.01", "100")


async def test_more_than_a_hundred_symbols_are_refused(tls: Tls) -> None:
    async with served(open_board(), tls, "gateway") as channel:
        with pytest.raises(Invalid) as refused:
            await stub(channel).GetQuotes(pb.GetQuotesRequest(symbols=[f"S{n}" for n in range(101)]))
    assert (refused.value.code, refused.value.field) == ("too_many_symbols", "symbols")


async def test_a_symbol_without_a_price_yet_takes_no_other_quotes_with_it(tls: Tls) -> None:
    board = open_board()
    board.publish([quote("AAPL")], NOON)
    async with served(board, tls, "gateway") as channel:
        answer = await stub(channel).GetQuotes(pb.GetQuotesRequest(symbols=["MSFT", "AAPL", "NOPE"]))
    assert [found.symbol for found in answer.quotes] == ["AAPL"]
    assert (list(answer.unknown), list(answer.unpriced)) == (["NOPE"], ["MSFT"])


async def test_before_there_is_any_price_a_symbol_is_unavailable_and_not_unknown(tls: Tls) -> None:
    async with served(open_board(), tls, "gateway") as channel:
        with pytest.raises(Unavailable) as refused:
            await stub(channel).GetQuotes(pb.GetQuotesRequest(symbols=["AAPL"]))
    assert refused.value.code == "market_data_unavailable"


async def test_nothing_is_answered_before_the_catalogue_is_known(tls: Tls) -> None:
    async with served(Board(), tls, "order") as channel:
        with pytest.raises(Unavailable):
            async with reading(stub(channel).StreamQuotes(pb.StreamQuotesRequest())) as messages:
                await anext(messages)


async def test_a_stream_starts_with_a_snapshot_and_every_message_has_the_market_time(tls: Tls) -> None:
    board = open_board()
    board.publish([quote(seq=1)], NOON)
    async with (
        served(board, tls, "order") as channel,
        reading(stub(channel).StreamQuotes(pb.StreamQuotesRequest())) as messages,
    ):
        first = await anext(messages)
        assert len(first.snapshot.instruments) == 5
        assert (first.snapshot.epoch, first.snapshot.quotes[0].seq) == (1, 1)
        calendars = {each.calendar: (each.timezone, each.always_open) for each in first.snapshot.calendars}
        assert calendars == {"24x7": ("UTC", True), "XNYS": ("America/New_York", False)}
        assert first.market_time.ToSeconds() == first.snapshot.market_time.ToSeconds() == NOON.timestamp()
        board.publish([quote(seq=2)], NOON)
        second = await anext(messages)
        assert not second.HasField("snapshot")
        assert [found.seq for found in second.quotes] == [2]
        assert second.HasField("market_time")
        silence = await anext(messages)
        assert (list(silence.quotes), silence.HasField("market_time")) == ([], True)
        assert SIGN_OF_LIFE_S <= 1


async def test_a_reader_that_stops_reading_misses_quotes_but_no_price(tls: Tls) -> None:
    board = open_board()
    async with (
        served(board, tls, "order") as channel,
        reading(stub(channel).StreamQuotes(pb.StreamQuotesRequest())) as messages,
    ):
        await anext(messages)
        for seq in range(1, 20_001):
            ask = "1.00" if seq == 10_000 else "100.01"
            board.publish([quote(seq=seq, ask=ask)], NOON)
        seen: list[pb.Quote] = []
        while not seen or seen[-1].seq < 20_000:
            seen += (await anext(messages)).quotes
    assert len(seen) < 100
    assert min(Decimal(found.low_ask) for found in seen) == Decimal("1.00")


async def test_a_stream_that_is_left_is_forgotten(tls: Tls) -> None:
    board = open_board()
    async with served(board, tls, "order") as channel:
        async with reading(stub(channel).StreamQuotes(pb.StreamQuotesRequest())) as messages:
            await anext(messages)
            assert board.streams == 1
        board.publish([quote(seq=1)], NOON)
    assert board.streams == 0


@pytest.mark.parametrize("caller", ["auth", "gateway"])
async def test_only_listed_services_may_stream(tls: Tls, caller: str) -> None:
    async with served(open_board(), tls, caller) as channel:
        with pytest.raises(Denied):
            async with reading(stub(channel).StreamQuotes(pb.StreamQuotesRequest())) as messages:
                await anext(messages)


def test_signs_of_life_do_not_fill_a_process_that_has_very_many_streams() -> None:
    assert [silence_s(streams) for streams in (1, 2000, 4000, 10_000, 20_000)] == [1, 1, 2, 4, 4]
