"""/ws/quotes?symbols=A,B: the predecessor's socket. The address says which symbols it wants; it is told every
quote as JSON Patch operations (`add` first, then `replace`), and what it sends is ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.types import Scope

from hub.market_data.v1 import market_data_pb2
from hub.market_data.v1.market_data_pb2_grpc import MarketDataServiceStub
from hub_errors import HubError, Invalid
from hub_gateway.fanout import Join
from hub_gateway.frames import Frame
from hub_gateway.legacy_shapes import in_capitals, number
from hub_gateway.session import Session
from hub_money import money

PATH: Final = "/ws/quotes"
MOST_INSTRUMENTS: Final = 500
REMEMBERED_S: Final = 60.0
CHANGING: Final = ("current_price", "change", "change_percent", "last_updated", "volume")


@dataclass(frozen=True, slots=True)
class Asset:
    """What of an instrument stays."""

    name: str
    type: str


class Assets:
    """All instruments by symbol, read again when a minute has passed: not for every socket."""

    def __init__(self, market_data: MarketDataServiceStub) -> None:
        self._market_data = market_data
        self._known: Mapping[str, Asset] = {}
        self._good_until = 0.0
        self._reading = asyncio.Lock()

    async def known(self) -> Mapping[str, Asset]:
        """As they were at last where market-data cannot be asked; one caller asks, the others wait for it."""
        loop = asyncio.get_running_loop()
        async with self._reading:
            if loop.time() >= self._good_until:
                try:
                    self._known = await self._read()
                except HubError:
                    if not self._known:
                        raise
                self._good_until = loop.time() + REMEMBERED_S
            return self._known

    async def _read(self) -> Mapping[str, Asset]:
        found: dict[str, Asset] = {}
        token = ""
        while True:
            wanted = market_data_pb2.ListInstrumentsRequest(page_size=MOST_INSTRUMENTS, page_token=token)
            page = await self._market_data.ListInstruments(wanted)
            for each in page.instruments:
                kind = market_data_pb2.AssetClass.Name(each.asset_class).removeprefix("ASSET_CLASS_")
                found[each.symbol] = Asset(name=each.name, type=kind)
            token = page.next_page_token
            if not token:
                return found


def take_token(scope: Scope) -> str | None:
    """What the Authorization header says, or would say. From the address, where the predecessor's programs
    put the token, it is taken out: the server must never have it to log."""
    query = _query(scope)
    token = query.pop("token", "")
    scope["query_string"] = urlencode(query).encode()
    headers = [value for name, value in scope["headers"] if name == b"authorization"]
    if headers:
        return str(headers[0].decode("latin-1"))
    return f"Bearer {token}" if token else None


def symbols_of(scope: Scope, known: Mapping[str, Asset], *, most: int) -> Sequence[str]:
    """Those that are known; unknown ones are passed over, as they always were."""
    asked = [in_capitals(text.strip()) for text in _query(scope).get("symbols", "").split(",")]
    wanted = [symbol for symbol in dict.fromkeys(asked) if symbol in known]
    if len(wanted) > most:
        raise Invalid(f"A socket may follow {most} symbols.", code="too_many_symbols", field="symbols")
    if not wanted:
        raise Invalid("symbols must name an instrument.", code="no_symbols", field="symbols")
    return wanted


def replaced(frames: Sequence[Frame]) -> bytes:
    return _message([operation for frame in frames for operation in _replaced(frame)])


class LegacySession(Session):
    """The same bounds and conflation as every session; another language."""

    __slots__ = ("_assets", "_first")
    join: Join = staticmethod(replaced)

    def follow_all(self, symbols: Sequence[str], known: Mapping[str, Asset]) -> None:
        """What it is to be told; to be called once, before it is opened. One without a quote is told of
        later."""
        self._assets = known
        self._first = set(symbols)
        self.follow(symbols)

    def _handle(self, text: str) -> None:
        """What the client sends has never meant anything."""

    def _reply(self, **document: object) -> None:
        """It is told of nothing but quotes."""

    def _beat(self) -> None:
        """There never was one."""

    def _told(self, resync: str, fresh: Sequence[Frame], changed: Sequence[Frame]) -> list[bytes]:  # noqa: ARG002
        """All at once. What it has had once is replaced, also in another epoch."""
        operations = []
        for frame in (*fresh, *changed):
            new = frame.symbol in self._first
            operations += _added(frame, self._assets[frame.symbol]) if new else _replaced(frame)
            self._first.discard(frame.symbol)
        return [_message(operations)] if operations else []


def _message(operations: Sequence[str]) -> bytes:
    return f'{{"type":"quotes_patch","operations":[{",".join(operations)}]}}'.encode()


def _added(frame: Frame, asset: Asset) -> list[str]:
    quote = {"symbol": frame.symbol, "name": asset.name, "type": asset.type, **_values(frame)}
    return [_operation("add", f"/quotes/{frame.symbol}", quote)]


@lru_cache(maxsize=1024)
def _replaced(frame: Frame) -> list[str]:
    values = _values(frame)
    return [_operation("replace", f"/quotes/{frame.symbol}/{name}", values[name]) for name in CHANGING]


def _values(frame: Frame) -> dict[str, Any]:
    quote = msgspec.json.decode(frame.quote)
    last, base = Decimal(quote["last"]), Decimal(quote["previous_close"])
    change = last - base
    return {
        "current_price": number(last),
        "base_price": number(base),
        "change": number(change),
        "change_percent": number(money(change / base * 100) if base else Decimal(0)),
        "last_updated": quote["market_time"],
        "volume": number(quote["volume"]),
    }


def _operation(op: str, path: str, value: object) -> str:
    return msgspec.json.encode({"op": op, "path": path, "value": value}).decode()


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1")))
