"""A patch is right on any earlier state of its epoch."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hub_quote_stream.patch import frame
from tests.quote_stream.quotes import Follower, loaded, quote

PRICES = st.decimals("6", "1000000", places=8, allow_nan=False, allow_infinity=False)


@given(prices=st.lists(PRICES, min_size=2, max_size=20), data=st.data())
def test_applying_any_of_the_frames_in_order_gives_the_newest_state(
    prices: list[Decimal], data: st.DataObject
) -> None:
    frames = [frame(quote("BRK/A~1", seq, bid=price)) for seq, price in enumerate(prices, start=1)]
    received = data.draw(st.lists(st.sampled_from(frames[1:-1] or frames[1:]), unique_by=lambda f: f.seq))
    client = Follower()
    client.document["quotes"]["BRK/A~1"] = loaded(frames[0].quote_json)
    for each in [*sorted(received, key=lambda f: f.seq), frames[-1]]:
        client.apply(loaded(b"[" + each.patch_json + b"]"))
    assert client.document["quotes"]["BRK/A~1"] == loaded(frames[-1].quote_json)


@given(price=PRICES)
def test_numbers_are_plain_strings_that_say_exactly_what_the_quote_says(price: Decimal) -> None:
    document = loaded(frame(quote(bid=price)).quote_json)
    assert Decimal(document["bid"]) == price
    assert "e" not in document["bid"].lower()
    assert set(document) == {
        *("symbol", "bid", "bid_size", "ask", "ask_size", "last", "open", "high", "low"),
        *("previous_close", "volume", "market_time", "received_at"),
    }


def test_times_are_utc_with_microseconds() -> None:
    document = loaded(frame(quote(seq=7)).quote_json)
    assert document["market_time"] == "2026-01-05T14:30:00.007000Z"
    assert document["received_at"] == "2026-01-05T14:30:00.007005Z"
