"""Every variable of the market-data service, its default and its meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from math import nan
from pathlib import Path
from typing import Final

from hub_market_data.domain.calendars import Hours, read_extended_hours
from hub_market_data.domain.instruments import is_symbol
from hub_market_data.domain.tape import new_york_midnight
from hub_market_data.lean_files import RESOLUTIONS
from hub_market_data.synthetic import MOST_SYMBOLS
from hub_runtime import (
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    RedisSettings,
    Settings,
    SettingsError,
    TlsSettings,
    one_of,
    setting,
    url,
)

FEEDS: Final = ("replay", "lean", "random", "alpaca")
# Of which feed a setting is that no other has.
_OWN: Final = {
    "lean": ("feed_data", "feed_resolution", "feed_start"),
    "random": ("feed_symbols", "feed_rate"),
    "alpaca": (
        "alpaca_url",
        "alpaca_data_url",
        "alpaca_key_id",
        "alpaca_secret_file",
        "alpaca_symbols",
        "alpaca_codec",
    ),
}
_REQUIRED: Final = {
    "lean": ("feed_data",),
    "alpaca": ("alpaca_url", "alpaca_key_id", "alpaca_secret_file", "alpaca_symbols"),
}


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else lowest - 1
        if not lowest <= number <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return number

    return parse


def _number(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = nan
        if not lowest <= number <= highest:
            raise ValueError(f"must be a number from {lowest:g} to {highest:g}")
        return number

    return parse


def _start(text: str) -> datetime:
    """A day begins at midnight in New York."""
    wrong = "must be like 2013-10-07 or 2013-10-07T09:30:00-04:00"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(wrong) from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if moment.time() != time():
        raise ValueError(wrong)
    return new_york_midnight(moment.replace(hour=17, tzinfo=UTC))


def _symbols(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if wrong := [symbol for symbol in found if not is_symbol(symbol)]:
        raise ValueError(f"must be symbols with commas between them, and {wrong[0]!r} is none")
    return found


@dataclass(frozen=True)
class FeedSettings(Settings):
    """Which feed is active, and what each of them needs."""

    feed: str = setting(
        "where prices come from: replay, lean, random or alpaca", default="replay", parse=one_of(*FEEDS)
    )
    feed_speed: float = setting(
        "replay: how many times faster than a trading day of 6.5 h a daily bar is played; "
        "lean: how many times faster than its files",
        default=10.0,
        parse=_number(0.1, 1000),
    )
    feed_seed: int = setting("replay, random: which of the possible days are played", default=1)
    feed_data: Path | None = setting("lean: the folder that has equity/usa", default=None)
    feed_resolution: str | None = setting(
        "lean: tick, second or minute; empty: tick", default=None, parse=one_of(*RESOLUTIONS)
    )
    feed_start: datetime | None = setting(
        "lean: the day or time from which on it plays; empty: from the first day", default=None, parse=_start
    )
    feed_symbols: int | None = setting(
        "random: how many symbols; empty: 100", default=None, parse=_whole(1, MOST_SYMBOLS)
    )
    feed_rate: float | None = setting(
        "random: ticks a second of all symbols; empty: 100", default=None, parse=_number(0.1, 100_000)
    )
    alpaca_url: str = setting("alpaca: where the stream is", default="", parse=url("wss", "ws"))
    alpaca_data_url: str = setting(
        "alpaca: where its REST interface is; empty: beside Alpaca's own stream, of another one nowhere",
        default="",
        parse=url("https", "http"),
    )
    alpaca_key_id: str = setting("alpaca: the id of the key", default="")
    alpaca_secret_file: Path | None = setting("alpaca: file with the key's secret", default=None)
    alpaca_symbols: tuple[str, ...] = setting(
        "alpaca: what is subscribed to, with commas between", default=(), parse=_symbols
    )
    alpaca_codec: str | None = setting(
        "alpaca: json or msgpack; empty: json", default=None, parse=one_of("json", "msgpack")
    )
    feed_stall_s: float = setting(
        "seconds without a price, in an open session, after which a feed is said to be stalled",
        default=30.0,
        parse=_number(1, 86_400),
    )

    def __post_init__(self) -> None:
        """What belongs to another feed is a mistake: somebody means a feed that is not active."""
        super().__post_init__()
        faults = [
            f"HUB_{name.upper()}: is a setting of the {feed} feed, and HUB_FEED is {self.feed}"
            for feed, names in _OWN.items()
            for name in names
            if feed != self.feed and getattr(self, name) not in {None, "", ()}
        ]
        if faults:
            raise SettingsError(faults)

    def require_feed(self) -> None:
        """Raises SettingsError where the active feed lacks something."""
        faults = [
            f"HUB_{name.upper()}: is required when HUB_FEED is {self.feed}"
            for name in _REQUIRED.get(self.feed, ())
            if getattr(self, name) in {None, "", ()}
        ]
        if faults:
            raise SettingsError(faults)


@dataclass(frozen=True)
class MarketDataSettings(
    FeedSettings, ProcessSettings, TlsSettings, GrpcSettings, DatabaseSettings, RedisSettings
):
    auth_target: str = setting("gRPC target of the auth service")
    market_hours: str = setting(
        "24x7: everything trades always; XNYS: each instrument by its own calendar",
        default="24x7",
        parse=one_of("24x7", "XNYS"),
    )
    extended_hours: Hours | None = setting(
        "prices of these hours of a day with sessions count too, such as 04:00-20:00; empty: of none",
        default=None,
        parse=read_extended_hours,
    )
    minute_bars_days: int = setting(
        "for how many days minute bars are kept, 1 to 3650", default=30, parse=_whole(1, 3650)
    )
    feed_target: str = setting("where the active feeder answers; needed by serve without feed", default="")
