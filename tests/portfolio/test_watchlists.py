"""WatchlistService over the wire and a real database: limits, names, owners, and many changes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from hub.portfolio.v1 import watchlist_pb2 as messages
from hub_errors import Conflict, HubError, Invalid, NotFound, Refused, Unauthenticated, Unavailable
from hub_market_client import QuoteCache
from hub_postgres import Pool, connect_pool
from hub_rpc import calling_as
from hub_runtime import uuid7
from tests.portfolio.front import Front, instruments, portfolio_front
from tests.position.house import House
from tests.support.tls import Tls
from tests.support.tokens import Signer

STOCKS = [f"S{number:02}" for number in range(30)]


class Watcher:
    """One user's calls."""

    def __init__(self, front: Front, token: str | None = None) -> None:
        self._stub = front.watchlists
        self._token = front.books.signer.user().token if token is None else token

    async def create(self, name: str, *symbols: str) -> messages.Watchlist:
        wanted = messages.SymbolList(symbols=symbols)
        request = messages.CreateWatchlistRequest(name=name, symbols=wanted)
        return await self._one("CreateWatchlist", request)

    async def all(self) -> Sequence[messages.Watchlist]:
        found = await self._call("ListWatchlists", messages.ListWatchlistsRequest())
        return list(found.watchlists)

    async def get(self, watchlist_id: str) -> messages.Watchlist:
        request = messages.GetWatchlistRequest(watchlist_id=watchlist_id)
        return await self._one("GetWatchlist", request)

    async def update(
        self,
        watchlist_id: str,
        *,
        name: str | None = None,
        symbols: Sequence[str] | None = None,
        version: int = 0,
    ) -> messages.Watchlist:
        request = messages.UpdateWatchlistRequest(
            watchlist_id=watchlist_id,
            name=name,
            symbols=None if symbols is None else messages.SymbolList(symbols=symbols),
            version=version,
        )
        return await self._one("UpdateWatchlist", request)

    async def add(self, watchlist_id: str, symbol: str) -> messages.Watchlist:
        request = messages.AddWatchlistSymbolRequest(watchlist_id=watchlist_id, symbol=symbol)
        return await self._one("AddWatchlistSymbol", request)

    async def remove(self, watchlist_id: str, symbol: str) -> messages.Watchlist:
        request = messages.RemoveWatchlistSymbolRequest(watchlist_id=watchlist_id, symbol=symbol)
        return await self._one("RemoveWatchlistSymbol", request)

    async def delete(self, watchlist_id: str) -> None:
        await self._call("DeleteWatchlist", messages.DeleteWatchlistRequest(watchlist_id=watchlist_id))

    async def _one(self, rpc: str, request: Any) -> messages.Watchlist:
        found: messages.Watchlist = (await self._call(rpc, request)).watchlist
        return found

    async def _call(self, rpc: str, request: Any) -> Any:
        with calling_as(self._token):
            return await getattr(self._stub, rpc)(request)


@pytest.fixture
def watcher(front: Front) -> Watcher:
    return Watcher(front)


def symbols(found: messages.Watchlist) -> list[str]:
    return [each.symbol for each in found.symbols]


async def refused(call: Coroutine[Any, Any, Any], kind: type[HubError]) -> tuple[str, str]:
    """The code, and the field."""
    with pytest.raises(kind) as found:
        await call
    return found.value.code, found.value.field


async def at_once(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """What each came to: an answer, or the code of its refusal."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [each.code if isinstance(each, HubError) else each for each in results]


async def test_a_watchlist_keeps_its_order_and_shows_live_quotes(front: Front, watcher: Watcher) -> None:
    front.quote("AAPL", "110", close="100")
    front.quote("SPY", "99", close="100", age_s=60)
    made = await watcher.create("  Mixed ", "SPY", "MSFT", "AAPL", "SPY")
    assert (made.name, made.version, symbols(made)) == ("Mixed", 1, ["SPY", "MSFT", "AAPL"])
    old, none, fresh = (await watcher.get(made.watchlist_id)).symbols
    assert (fresh.name, fresh.asset_class, fresh.price) == ("Apple Inc.", "STOCK", "110")
    assert (fresh.change, fresh.change_percent, fresh.stale) == ("10", "10.00", False)
    assert fresh.HasField("price_at")
    assert (old.price, old.change, old.change_percent, old.stale) == ("99", "-1", "-1.00", True)
    assert (none.price, none.change, none.stale, none.HasField("price_at")) == ("", "", True, False)
    assert [made] == await watcher.all()


async def test_lists_are_told_of_in_the_order_they_were_made_in(watcher: Watcher) -> None:
    names = ["zebra", "Ant", "middle"]
    for name in names:
        await watcher.create(name)
    assert [each.name for each in await watcher.all()] == names


async def test_symbols_are_put_in_and_taken_out_and_both_may_be_repeated(watcher: Watcher) -> None:
    made = await watcher.create("One", "MSFT")
    added = await watcher.add(made.watchlist_id, "AAPL")
    assert (symbols(added), added.version) == (["MSFT", "AAPL"], 2)
    again = await watcher.add(made.watchlist_id, "MSFT")
    assert (symbols(again), again.version, again.updated_at) == (["MSFT", "AAPL"], 2, added.updated_at)
    assert symbols(await watcher.remove(made.watchlist_id, "MSFT")) == ["AAPL"]
    gone = watcher.remove(made.watchlist_id, "MSFT")
    assert await refused(gone, NotFound) == ("symbol_not_watched", "symbol")


async def test_a_list_is_renamed_and_replaced(watcher: Watcher) -> None:
    made = await watcher.create("One", "MSFT", "AAPL")
    renamed = await watcher.update(made.watchlist_id, name="Two")
    assert (renamed.name, symbols(renamed), renamed.version) == ("Two", ["MSFT", "AAPL"], 2)
    replaced = await watcher.update(made.watchlist_id, symbols=["SPY", "MSFT"], version=2)
    assert (replaced.name, symbols(replaced), replaced.version) == ("Two", ["SPY", "MSFT"], 3)
    emptied = await watcher.update(made.watchlist_id, symbols=[])
    assert symbols(emptied) == []
    late = watcher.update(made.watchlist_id, symbols=["AAPL"], version=3)
    assert await refused(late, Conflict) == ("watchlist_changed", "version")
    assert await refused(watcher.update(made.watchlist_id), Invalid) == ("nothing_to_change", "")


async def test_names_are_unique_for_a_user_whatever_their_capitals(front: Front, watcher: Watcher) -> None:
    await watcher.create("Straße")
    other = await watcher.create("other")
    assert await refused(watcher.create(" STRASSE "), Conflict) == ("watchlist_name_taken", "name")
    renaming = watcher.update(other.watchlist_id, name="strasse")
    assert await refused(renaming, Conflict) == ("watchlist_name_taken", "name")
    assert (await watcher.update(other.watchlist_id, name="OTHER")).name == "OTHER"
    assert (await Watcher(front).create("straße")).name == "straße"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "invalid_length"),
        ("   ", "invalid_length"),
        ("x" * 65, "invalid_length"),
        ("a\x00b", "invalid_characters"),
    ],
)
async def test_a_name_that_nobody_could_read_is_refused(watcher: Watcher, name: str, code: str) -> None:
    assert await refused(watcher.create(name), Invalid) == (code, "name")


async def test_unknown_symbols_are_named_and_nothing_is_made(watcher: Watcher) -> None:
    with pytest.raises(Refused, match="NOPE, NADA") as found:
        await watcher.create("One", "AAPL", "NOPE", "NADA")
    assert (found.value.code, found.value.field) == ("unknown_symbol", "symbols")
    assert await watcher.all() == []
    made = await watcher.create("One", "AAPL")
    assert await refused(watcher.add(made.watchlist_id, "NOPE"), Refused) == ("unknown_symbol", "symbol")
    assert await refused(watcher.add(made.watchlist_id, "no pe"), Invalid) == ("invalid_symbol", "symbol")
    replacing = watcher.update(made.watchlist_id, symbols=["NOPE"])
    assert await refused(replacing, Refused) == ("unknown_symbol", "symbols")
    assert symbols(await watcher.get(made.watchlist_id)) == ["AAPL"]


async def test_a_symbol_that_is_gone_from_the_market_stays_in_its_list(
    front: Front, watcher: Watcher
) -> None:
    front.cache.apply(instruments("OLD"))
    made = await watcher.create("One", "OLD", "AAPL")
    front.cache.apply(instruments())
    [gone, _] = (await watcher.get(made.watchlist_id)).symbols
    assert (gone.symbol, gone.name, gone.price, gone.stale) == ("OLD", "", "", True)
    assert symbols(await watcher.update(made.watchlist_id, symbols=["AAPL", "OLD"])) == ["AAPL", "OLD"]


async def test_a_list_has_at_most_twenty_symbols(front: Front, watcher: Watcher) -> None:
    front.cache.apply(instruments(*STOCKS))
    assert await refused(watcher.create("Much", *STOCKS[:21]), Refused) == ("watchlist_full", "symbols")
    full = await watcher.create("Full", *STOCKS[:20])
    assert await refused(watcher.add(full.watchlist_id, STOCKS[20]), Refused) == ("watchlist_full", "symbol")
    assert symbols(await watcher.add(full.watchlist_id, STOCKS[3])) == STOCKS[:20]


async def test_another_users_list_is_not_found(front: Front, watcher: Watcher) -> None:
    made = await watcher.create("Mine", "AAPL")
    stranger = Watcher(front)
    assert await stranger.all() == []
    for call in (
        stranger.get(made.watchlist_id),
        stranger.update(made.watchlist_id, name="Theirs"),
        stranger.add(made.watchlist_id, "MSFT"),
        stranger.remove(made.watchlist_id, "AAPL"),
        stranger.delete(made.watchlist_id),
        stranger.get(str(uuid7())),
    ):
        assert await refused(call, NotFound) == ("watchlist_not_found", "")
    assert await watcher.all() == [made]
    for token in ("", Signer().user().token):
        with pytest.raises(Unauthenticated):
            await Watcher(front, token).all()


async def test_a_list_that_was_deleted_is_not_there_to_be_deleted(watcher: Watcher) -> None:
    made = await watcher.create("One")
    await watcher.delete(made.watchlist_id)
    assert await refused(watcher.delete(made.watchlist_id), NotFound) == ("watchlist_not_found", "")
    assert (await watcher.create("one")).watchlist_id != made.watchlist_id


async def test_many_additions_at_once_lose_none_and_never_exceed_the_limit(
    front: Front, watcher: Watcher
) -> None:
    front.cache.apply(instruments(*STOCKS))
    made = await watcher.create("Busy")
    results = await at_once(*(watcher.add(made.watchlist_id, symbol) for symbol in STOCKS))
    assert results.count("watchlist_full") == len(STOCKS) - 20
    kept = {symbol for symbol, result in zip(STOCKS, results, strict=True) if result != "watchlist_full"}
    found = await watcher.get(made.watchlist_id)
    assert (set(symbols(found)), len(found.symbols), found.version) == (kept, 20, 21)


async def test_who_replaces_with_a_version_never_overwrites_an_addition(
    front: Front, watcher: Watcher
) -> None:
    made = await watcher.create("Busy", "AAPL")
    replaced, added = await at_once(
        watcher.update(made.watchlist_id, symbols=["SPY"], version=1), watcher.add(made.watchlist_id, "MSFT")
    )
    assert symbols(added)[-1] == "MSFT"
    kept = ["AAPL", "MSFT"] if replaced == "watchlist_changed" else ["SPY", "MSFT"]
    assert symbols(await watcher.get(made.watchlist_id)) == kept


async def test_lists_made_at_once_are_fifty_at_most_and_no_two_have_one_name(watcher: Watcher) -> None:
    for number in range(45):
        await watcher.create(f"Old {number}")
    results = await at_once(*(watcher.create(f"New {number // 2}") for number in range(20)))
    assert results.count("watchlist_name_taken") + results.count("too_many_watchlists") == 15
    found = await watcher.all()
    assert len({each.name for each in found}) == len(found) == 50
    one_more = watcher.create("One more")
    assert await refused(one_more, Refused) == ("too_many_watchlists", "")
    await watcher.delete(found[0].watchlist_id)
    await watcher.create("One more")


async def test_two_lists_that_take_each_others_names_at_once_never_share_one(watcher: Watcher) -> None:
    first, second = await watcher.create("A"), await watcher.create("B")
    results = await at_once(
        watcher.update(first.watchlist_id, name="B"), watcher.update(second.watchlist_id, name="A")
    )
    assert results == ["watchlist_name_taken", "watchlist_name_taken"]
    results = await at_once(
        watcher.update(first.watchlist_id, name="C"), watcher.update(second.watchlist_id, name="c")
    )
    assert results.count("watchlist_name_taken") == 1


async def test_before_the_market_was_heard_of_lists_are_shown_and_nothing_is_put_in(
    front: Front, books: House, pool: Pool, tls: Tls
) -> None:
    token = books.signer.user().token
    made = await Watcher(front, token).create("One", "AAPL")
    async with portfolio_front(books, pool, tls, cache=QuoteCache()) as early:
        watcher = Watcher(early, token)
        [found] = await watcher.all()
        assert (symbols(found), found.symbols[0].stale) == (["AAPL"], True)
        adding = watcher.add(made.watchlist_id, "MSFT")
        assert await refused(adding, Unavailable) == ("market_data_unavailable", "")
        assert symbols(await watcher.update(made.watchlist_id, symbols=[])) == []


async def test_without_the_database_watchlists_are_unavailable(books: House, tls: Tls) -> None:
    address = "postgresql://hub_portfolio@127.0.0.1:1/hub_portfolio"
    async with await connect_pool(address) as nowhere, portfolio_front(books, nowhere, tls) as front:
        watcher = Watcher(front)
        for call in (watcher.all(), watcher.create("One")):
            assert await refused(call, Unavailable) == ("database_unavailable", "")
