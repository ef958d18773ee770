"""A stream to a gateway holds the newest of every symbol, and bounded updates."""

from __future__ import annotations

import asyncio

import pytest

from hub.quote_stream.v1 import quote_stream_pb2
from hub_errors import Unavailable
from hub_quote_stream.frames import AT_ONCE, Frames
from hub_quote_stream.patch import frame
from tests.quote_stream.quotes import quote


def update(number: int) -> quote_stream_pb2.AccountUpdate:
    return quote_stream_pb2.AccountUpdate(account_id="a", event_id=str(number), kind="order")


async def test_the_first_answer_comes_at_once_even_when_there_is_nothing_yet() -> None:
    with Frames(most_updates=10).stream() as stream:
        first = await stream.next()
    assert not first.frames
    assert not first.updates


async def test_a_stream_starts_with_the_newest_frame_of_every_symbol() -> None:
    frames = Frames(most_updates=10)
    for seq in (1, 2, 3):
        for symbol in ("AAPL", "MSFT"):
            frames.publish(frame(quote(symbol, seq)))
    with frames.stream() as stream:
        first = await stream.next()
    assert {(each.symbol, each.seq) for each in first.frames} == {("AAPL", 3), ("MSFT", 3)}


async def test_a_slow_reader_gets_only_the_newest_of_what_it_missed() -> None:
    frames = Frames(most_updates=10)
    with frames.stream() as stream:
        await stream.next()
        for seq in range(1, 1001):
            frames.publish(frame(quote("AAPL", seq)))
        answer = await stream.next()
    assert [each.seq for each in answer.frames] == [1000]


async def test_frames_of_a_lower_epoch_or_an_earlier_tick_are_dropped() -> None:
    frames = Frames(most_updates=10)
    for epoch, seq in [(2, 5), (1, 9), (2, 4), (2, 5)]:
        frames.publish(frame(quote("AAPL", seq, epoch=epoch)))
    with frames.stream() as stream:
        (only,) = (await stream.next()).frames
    assert (only.epoch, only.seq) == (2, 5)


async def test_updates_come_in_order_and_none_is_left_out() -> None:
    frames = Frames(most_updates=2 * AT_ONCE)
    with frames.stream() as stream:
        for number in range(AT_ONCE + 10):
            frames.update(update(number))
        seen = [*(await stream.next()).updates, *(await stream.next()).updates]
    assert [int(each.event_id) for each in seen] == list(range(AT_ONCE + 10))


async def test_a_stream_whose_updates_overflow_ends_and_the_others_go_on() -> None:
    frames = Frames(most_updates=3)
    with frames.stream() as slow, frames.stream() as quick:
        for number in range(4):
            frames.update(update(number))
            await quick.next()
        with pytest.raises(Unavailable) as ended:
            await slow.next()
        frames.update(update(4))
        assert [each.event_id for each in (await quick.next()).updates] == ["4"]
    assert ended.value.code == "stream_behind"


async def test_many_symbols_come_in_several_messages() -> None:
    frames = Frames(most_updates=3)
    for number in range(AT_ONCE + 1):
        frames.publish(frame(quote(f"S{number}")))
    with frames.stream() as stream:
        batches = [await stream.next(), await stream.next()]
    assert [(len(batch.frames), batch.more) for batch in batches] == [(AT_ONCE, True), (1, False)]


async def test_a_reader_that_waits_is_woken_by_a_frame() -> None:
    frames = Frames(most_updates=3)
    with frames.stream() as stream:
        await stream.next()
        waiting = asyncio.create_task(stream.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        frames.publish(frame(quote()))
        assert len((await waiting).frames) == 1
