"""What a stream is told says all there is, and no quote is encoded twice for streams that keep up."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest

from hub.market_data.v1 import market_data_pb2 as pb
from hub_market_data.board import Board
from hub_market_data.domain.calendars import Session
from hub_market_data.domain.ticks import Quote
from hub_market_data.mapping import encoding
from hub_market_data.mapping.encoding import StreamEncoder
from hub_market_data.mapping.quotes import catalogue_to_proto, quote_to_proto
from hub_market_data.seed import INSTRUMENTS
from tests.market_data.prices import CALENDARS, NOON, open_board, quote


def read(encoded: bytes) -> pb.StreamQuotesResponse:
    return pb.StreamQuotesResponse.FromString(encoded)


async def test_a_snapshot_is_whole() -> None:
    board = open_board(epoch=3)
    session = Session(calendar="XNYS", day=NOON.date(), opens_at=NOON, closes_at=NOON + timedelta(hours=1))
    days = {"US": (date(2026, 3, 2), date(2026, 3, 3))}
    board.catalogue(INSTRUMENTS, [session], calendars=CALENDARS, settlement_days=days)
    board.publish([quote("AAPL", epoch=3), quote("IBM", epoch=3, seq=7)], NOON)
    with board.subscribed() as stream:
        news = await stream.next(timeout_s=1)
    expected = pb.StreamQuotesResponse()
    expected.snapshot.CopyFrom(catalogue_to_proto(news))  # type: ignore[arg-type]
    expected.snapshot.quotes.extend(map(quote_to_proto, news.quotes))
    expected.snapshot.market_time.FromDatetime(NOON)
    expected.market_time.FromDatetime(NOON)
    assert len(expected.snapshot.quotes) == 2
    assert len(expected.snapshot.settlement_calendars[0].days) == 2
    assert read(StreamEncoder(board.quotes).message(news)) == expected


async def test_nothing_known_is_a_snapshot_too() -> None:
    board = Board()
    with board.subscribed() as stream:
        answer = read(StreamEncoder(board.quotes).message(await stream.next(timeout_s=1)))
    assert answer.HasField("snapshot")
    assert not answer.HasField("market_time")


async def test_many_streams_get_a_quote_that_was_encoded_once_and_a_slow_one_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[tuple[str, int]] = []

    def counted(each: Quote) -> pb.Quote:
        encoded.append((each.symbol, each.seq))
        return quote_to_proto(each)

    monkeypatch.setattr(encoding, "quote_to_proto", counted)
    board = open_board()
    encoder = StreamEncoder(board.quotes)
    board.publish([quote(seq=1)], NOON)
    with board.subscribed() as one, board.subscribed() as two, board.subscribed() as slow:
        for stream in (one, two, slow):
            encoder.message(await stream.next(timeout_s=1))
        assert encoded == [("AAPL", 1)], "the snapshots"
        encoded.clear()
        for seq, ask in ((2, "100.05"), (3, "100.01"), (4, "100.02")):
            board.publish([quote(seq=seq, ask=ask), quote("IBM", seq=seq)], NOON + timedelta(seconds=seq))
            told = [read(encoder.message(await stream.next(timeout_s=1))) for stream in (one, two)]
            assert told[0] == told[1]
            assert [(each.symbol, each.seq) for each in told[0].quotes] == [("AAPL", seq), ("IBM", seq)]
            assert told[0].market_time.ToDatetime(tzinfo=UTC) == NOON + timedelta(seconds=seq)
        assert encoded == [(symbol, seq) for seq in (2, 3, 4) for symbol in ("AAPL", "IBM")]
        encoded.clear()
        late = read(encoder.message(await slow.next(timeout_s=1)))
        assert [(each.seq, each.ask, each.low_ask) for each in late.quotes] == [
            (4, "100.02", "100.01"),
            (4, "100.01", "100.01"),
        ]
        board.publish([quote(seq=5)], NOON)
        for stream in (one, two, slow):
            encoder.message(await stream.next(timeout_s=1))
        assert encoded == [("AAPL", 4), ("IBM", 4), ("AAPL", 5)]


async def test_another_catalogue_is_told() -> None:
    board = open_board()
    encoder = StreamEncoder(board.quotes)
    with board.subscribed() as stream:
        first = read(encoder.message(await stream.next(timeout_s=1)))
        board.catalogue(INSTRUMENTS[:2], (), calendars=CALENDARS)
        second = read(encoder.message(await stream.next(timeout_s=1)))
        board.begin(2, NOON)
        third = read(encoder.message(await stream.next(timeout_s=1)))
    assert [len(each.snapshot.instruments) for each in (first, second, third)] == [5, 2, 2]
    assert [each.snapshot.epoch for each in (first, second, third)] == [1, 1, 2]
