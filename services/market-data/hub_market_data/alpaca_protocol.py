"""What is said on an Alpaca data stream: arrays of messages, as JSON text or as binary msgpack. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from hub_market_data.domain.tape import NEW_YORK

Codec = Literal["json", "msgpack"]
SUBSCRIBED: Final = ("trades", "quotes", "dailyBars")
_JSON: Final = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal)
_SNAPSHOTS: Final = msgspec.json.Decoder(dict[str, dict[str, Any] | None], float_hook=Decimal)
_MSGPACK: Final = msgspec.msgpack.Decoder(list[dict[str, Any]])
_LARGEST: Final = Decimal(10) ** 12
_PLACES: Final = Decimal("0.00000001")

# What trying again does not mend by itself: it is said loudly, and tried seldom.
REFUSALS: Final = frozenset({401, 402, 405, 408, 409})


class StreamRefusedError(Exception):
    """The server has said an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Trade:
    symbol: str
    price: Decimal
    size: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Market:
    symbol: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """The running day's bar."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Said:
    """`connected`, `authenticated`, or the subscription that holds now."""

    what: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a symbol stands: the last trade and quote, the day's bar if it has begun, and the close of the
    day before; what is not known is not there."""

    symbol: str
    trade: Trade | None
    market: Market | None
    day: Day | None
    previous_close: Decimal | None


Message = Trade | Market | Day | Said


def packed(codec: Codec, action: Mapping[str, Any]) -> str | bytes:
    return msgspec.msgpack.encode(action) if codec == "msgpack" else msgspec.json.encode(action).decode()


def messages(frame: str | bytes) -> Sequence[Mapping[str, Any]]:
    """Raises ValueError for what is no array of objects."""
    try:
        return _JSON.decode(frame) if isinstance(frame, str) else _MSGPACK.decode(frame)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def read(message: Mapping[str, Any]) -> Message | None:
    """None for what nobody asked for. Raises ValueError for one that is not as it should be, and
    StreamRefusedError for an error."""
    try:
        match message["T"]:
            case "t":
                return _trade(message)
            case "q":
                return _market(message)
            case "d":
                numbers = (_number(message[name]) for name in "ohlv")
                return Day(_symbol(message), *numbers)
            case "success":
                return Said(str(message["msg"]))
            case "subscription":
                return Said("subscription")
            case "error":
                raise StreamRefusedError(int(message["code"]), str(message.get("msg", ""))[:200])
            case _:
                return None
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def standings(body: bytes, today: date) -> Iterator[Standing | ValueError]:
    """Of an answer with snapshots by symbol; what is wrong with a symbol's in place of it. `today` in New
    York: until somebody has traded, the daily bar is still that of the day before. Raises ValueError for what
    is no such answer."""
    try:
        found = _SNAPSHOTS.decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    for symbol, parts in found.items():
        if parts:
            try:
                yield _standing(symbol, parts, today)
            except (KeyError, TypeError, ValueError, ArithmeticError) as error:
                yield ValueError(f"{symbol}: {type(error).__name__}: {error}")


def _standing(symbol: str, parts: Mapping[str, Any], today: date) -> Standing:
    """Prices of 0 are of a side that nobody quotes, or of nothing at all."""

    def part(name: str) -> Mapping[str, Any] | None:
        found = parts.get(name)
        return {"S": symbol, **found} if found else None

    trade, market, daily, before = map(part, ("latestTrade", "latestQuote", "dailyBar", "prevDailyBar"))
    day = None
    if daily is not None and _time(daily["t"]).astimezone(NEW_YORK).date() >= today:
        day = Day(symbol, *(_number(daily[name]) for name in "ohlv"))
    else:
        before = daily or before
    return Standing(
        symbol=symbol,
        trade=_trade(trade) if trade else None,
        market=_market(market) if market else None,
        day=day,
        previous_close=_number(before["c"]) or None if before else None,
    )


def _trade(message: Mapping[str, Any]) -> Trade:
    trade = Trade(_symbol(message), _number(message["p"]), _number(message["s"]), _time(message["t"]))
    if not trade.price or not trade.size:
        raise ValueError("a trade has no price, or no size")
    return trade


def _market(message: Mapping[str, Any]) -> Market:
    bid, bid_size, ask, ask_size = (_number(message[name]) for name in ("bp", "bs", "ap", "as"))
    return Market(_symbol(message), bid, bid_size, ask, ask_size, _time(message["t"]))


def _symbol(message: Mapping[str, Any]) -> str:
    symbol = message["S"]
    if not isinstance(symbol, str):
        raise TypeError("S is no text")
    return symbol


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError(f"{value!r} is no number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not 0 <= number < _LARGEST:
        raise ValueError(f"{number} is out of bounds")
    return number.quantize(_PLACES)


def _time(value: Any) -> datetime:
    """RFC 3339 with up to nanoseconds in JSON, a timestamp in msgpack."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time has no zone")
    return moment.astimezone(UTC)
