"""/watchlists: what the caller keeps an eye on, with live quotes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from hub.portfolio.v1 import watchlist_pb2
from hub_gateway import codes, render
from hub_gateway.codec import Body, Schema
from hub_gateway.exchange import Handler, Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.market_data import symbol
from hub_gateway.operation import Operation, Resource
from hub_gateway.path_ids import watchlist_id
from hub_gateway.peers import Peers
from hub_gateway.types.common import PRINTABLE, Symbol, described
from hub_gateway.types.watchlists import WatchedSymbol, Watchlist
from hub_gateway.types.watchlists import Watchlists as AllOfThem
from hub_rpc import calling_as

_NOT_ONLY_BLANKS: Final = PRINTABLE.replace("^", "^(?=.*[^ ])", 1)
LARGEST_VERSION: Final = 2**53 - 1
Name = Annotated[
    str,
    described(
        "Unique among yours, whatever its capitals; blanks around it do not count.",
        "Technology",
        minLength=1,
        maxLength=64,
        pattern=_NOT_ONLY_BLANKS,
    ),
]
Symbols = Annotated[
    list[Symbol],
    described(
        "At most 20, in your order; one that is named twice counts once.", ["AAPL", "MSFT"], maxItems=20
    ),
]


class NewWatchlist(Body, frozen=True):
    """A name, and what is in it from the start."""

    name: Name
    symbols: Symbols = msgspec.field(default_factory=list)


class WatchlistChange(Body, frozen=True):
    """What is to change; what is left out or null stays."""

    name: Name | None = None
    symbols: Symbols | None = None
    version: Annotated[
        int,
        msgspec.Meta(ge=0, le=LARGEST_VERSION),
        described("Only if the list still has this version; 0: whatever it has.", 3),
    ] = 0


class NewSymbol(Body, frozen=True):
    """What to put at the end of the list."""

    symbol: Symbol


_NEW: Final[Schema[NewWatchlist]] = Schema(NewWatchlist)
_CHANGE: Final[Schema[WatchlistChange]] = Schema(WatchlistChange)
_SYMBOL: Final[Schema[NewSymbol]] = Schema(NewSymbol)

UNKNOWN: Final = {404: ("watchlist_not_found",)}
NAMES: Final = {400: ("invalid_length", "invalid_characters"), 409: ("watchlist_name_taken",)}
SYMBOLS: Final = {
    400: ("invalid_symbol",),
    422: ("unknown_symbol", "watchlist_full"),
    503: ("market_data_unavailable",),
}


class Watchlists:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._watchlists = peers.watchlists
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/watchlists", GET=self._list(), POST=self._create()),
            Resource(
                "/api/v1/watchlists/{watchlist_id}",
                GET=self._operation(self.one, "One of your watchlists, with quotes"),
                PATCH=self._update(),
                DELETE=self._operation(self.delete, "Delete a watchlist", answers={204: None}),
            ),
            Resource("/api/v1/watchlists/{watchlist_id}/symbols", POST=self._add()),
            Resource(
                "/api/v1/watchlists/{watchlist_id}/symbols/{symbol}",
                DELETE=self._operation(
                    self.remove, "Take a symbol out of a watchlist", problems={404: ("symbol_not_watched",)}
                ),
            ),
        ]

    def _operation(self, handler: Handler, summary: str, **more: Any) -> Operation:
        problems = codes.together(UNKNOWN, more.pop("problems", {}))
        return Operation(
            handler=handler,
            summary=summary,
            tag="watchlists",
            answers=more.pop("answers", {200: Watchlist}),
            problems=problems,
            **more,
        )

    def _list(self) -> Operation:
        return Operation(
            handler=self.all,
            summary="Your watchlists, with quotes",
            tag="watchlists",
            answers={200: AllOfThem},
        )

    def _create(self) -> Operation:
        return Operation(
            handler=self.create,
            summary="Make a watchlist",
            tag="watchlists",
            body=NewWatchlist,
            examples={"technology": {"name": "Technology", "symbols": ["AAPL", "MSFT"]}},
            answers={201: Watchlist},
            answer_headers={"Location": "Where the watchlist is."},
            problems=codes.together(NAMES, SYMBOLS, {422: ("too_many_watchlists",)}),
        )

    def _update(self) -> Operation:
        return self._operation(
            self.update,
            "Rename a watchlist, replace its symbols, or both",
            description="With `version`, only if nobody has changed the list since it had that version: so a "
            "symbol that was added meanwhile is never lost.",
            body=WatchlistChange,
            examples={"name": {"name": "Technology"}, "symbols": {"symbols": ["MSFT", "AAPL"], "version": 3}},
            problems=codes.together(
                NAMES, SYMBOLS, {400: ("nothing_to_change",), 409: ("watchlist_changed",)}
            ),
        )

    def _add(self) -> Operation:
        return self._operation(
            self.add,
            "Put a symbol at the end of a watchlist",
            description="One that is there already stays where it is.",
            body=NewSymbol,
            problems=SYMBOLS,
        )

    async def all(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        with calling_as(caller.token):
            found = await self._watchlists.ListWatchlists(watchlist_pb2.ListWatchlistsRequest())
        return answer(AllOfThem(watchlists=[_watchlist(each) for each in found.watchlists]))

    async def create(self, request: Request) -> Response:
        caller = await self._gate.user(request)
        body = _NEW.read(await request.json())
        wanted = watchlist_pb2.CreateWatchlistRequest(name=body.name, symbols=_symbols(body.symbols))
        with calling_as(caller.token):
            made = (await self._watchlists.CreateWatchlist(wanted)).watchlist
        place = (b"location", f"/api/v1/watchlists/{made.watchlist_id}".encode())
        return answer(_watchlist(made), status=201, headers=[place])

    async def one(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        wanted = watchlist_pb2.GetWatchlistRequest(watchlist_id=watchlist_id(request))
        with calling_as(caller.token):
            found = await self._watchlists.GetWatchlist(wanted)
        return answer(_watchlist(found.watchlist))

    async def update(self, request: Request) -> Response:
        caller = await self._gate.user(request)
        body = _CHANGE.read(await request.json())
        wanted = watchlist_pb2.UpdateWatchlistRequest(
            watchlist_id=watchlist_id(request),
            name=body.name,
            symbols=None if body.symbols is None else _symbols(body.symbols),
            version=body.version,
        )
        with calling_as(caller.token):
            changed = await self._watchlists.UpdateWatchlist(wanted)
        return answer(_watchlist(changed.watchlist))

    async def add(self, request: Request) -> Response:
        caller = await self._gate.user(request)
        body = _SYMBOL.read(await request.json())
        wanted = watchlist_pb2.AddWatchlistSymbolRequest(
            watchlist_id=watchlist_id(request), symbol=symbol(body.symbol)
        )
        with calling_as(caller.token):
            changed = await self._watchlists.AddWatchlistSymbol(wanted)
        return answer(_watchlist(changed.watchlist))

    async def remove(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        wanted = watchlist_pb2.RemoveWatchlistSymbolRequest(
            watchlist_id=watchlist_id(request), symbol=request.parameter("symbol")
        )
        with calling_as(caller.token):
            changed = await self._watchlists.RemoveWatchlistSymbol(wanted)
        return answer(_watchlist(changed.watchlist))

    async def delete(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.user(request)
        wanted = watchlist_pb2.DeleteWatchlistRequest(watchlist_id=watchlist_id(request))
        with calling_as(caller.token):
            await self._watchlists.DeleteWatchlist(wanted)
        return Response(204)


def _symbols(texts: Sequence[str]) -> watchlist_pb2.SymbolList:
    return watchlist_pb2.SymbolList(
        symbols=[symbol(text, field=f"symbols[{index}]") for index, text in enumerate(texts)]
    )


def _watchlist(message: watchlist_pb2.Watchlist) -> Watchlist:
    return Watchlist(
        watchlist_id=message.watchlist_id,
        name=message.name,
        symbols=[_watched(each) for each in message.symbols],
        version=message.version,
        created_at=render.when(message.created_at),
        updated_at=render.when(message.updated_at),
    )


def _watched(message: watchlist_pb2.WatchedSymbol) -> WatchedSymbol:
    return WatchedSymbol(
        symbol=message.symbol,
        name=message.name or None,
        asset_class=message.asset_class or None,
        price=message.price or None,
        price_at=render.when(message.price_at),
        stale=message.stale,
        change=message.change or None,
        change_percent=message.change_percent or None,
    )
