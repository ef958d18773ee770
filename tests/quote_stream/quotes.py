"""Quotes for tests, and a client's way of keeping up with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub_market_client import Quote

BEGIN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def quote(symbol: str = "AAPL", seq: int = 1, *, epoch: int = 1, bid: str | Decimal = "100") -> Quote:
    """A quote whose every number depends on `seq` and `bid`."""
    price, at = Decimal(bid), BEGIN + timedelta(milliseconds=seq)
    return Quote(
        symbol=symbol,
        epoch=epoch,
        seq=seq,
        bid=price,
        bid_size=Decimal(seq * 10),
        ask=price + Decimal("0.02"),
        ask_size=Decimal(seq * 20),
        last=price + Decimal("0.01"),
        open=price,
        high=price + 5,
        low=price - 5,
        previous_close=price - 1,
        volume=Decimal(seq * 100),
        market_time=at,
        received_at=at + timedelta(microseconds=5),
        low_ask=price + Decimal("0.02"),
        high_bid=price,
    )


class Follower:
    """What a client of the stream does: takes snapshots, and applies patches by RFC 6902."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {"quotes": {}}
        self.place: dict[str, tuple[int, int]] = {}
        self.patches = 0
        self.snapshots = 0

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "quotes_snapshot":
            self.document["quotes"][message["symbol"]] = message["quote"]
            self._move(message, again=True)
            self.snapshots += 1
        elif message["type"] == "quotes_patch":
            for patch in message["patches"]:
                self._move(patch, again=False)
                self.apply(patch["ops"])
                self.patches += 1

    def apply(self, operations: list[dict[str, Any]]) -> None:
        for operation in operations:
            assert operation["op"] == "replace"
            *parents, last = [_unescape(part) for part in operation["path"].split("/")[1:]]
            target = self.document
            for part in parents:
                target = target[part]
            assert last in target, operation["path"]  # replace needs what it replaces
            target[last] = operation["value"]

    def _move(self, message: dict[str, Any], *, again: bool) -> None:
        symbol, place = message["symbol"], (message["epoch"], message["seq"])
        before = self.place.get(symbol)
        if before is not None:
            assert place >= before if again else place > before, (symbol, before, place)
            assert again or place[0] == before[0], "a patch of another epoch has no base"
        self.place[symbol] = place


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def loaded(data: bytes) -> Any:
    return json.loads(data)
